"""An own PostgreSQL server inside a folder, for everyone who has none: started on demand, shared
by all processes of the user that open the same folder, stopped when the last of them is gone.

Any folder with `initdb` and `postgres` in it serves: the wheel of the extra `embedded`, or a
system's own. Nobody but the owner of the folder can connect: there is a socket, no port.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

import psycopg2

from mltrading.adapters.postgres.binaries import find_binaries, read_major
from mltrading.adapters.postgres.server_errors import explain_output, explain_refusal
from mltrading.adapters.postgres.server_folder import (
    choose_identity,
    environment,
    is_supervised,
    refuse_other_majors,
    run_supervisor,
    socket_folder,
)
from mltrading.errors import ConfigurationError, DatabaseUnavailable, MLTradingError

START_LIMIT_SECONDS = 600.0  # recovery after an unclean end of a large import takes its time
POLL_SECONDS = 0.01

# Durable; sized for a laptop: a gigabyte of WAL between checkpoints keeps a large import fast, and
# 64 MB of shared buffers keep the idle server small (the system's file cache does the rest).
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "work_mem": "8MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
LATER_SETTINGS: Mapping[int, Mapping[str, str]] = {
    14: {"client_connection_check_interval": "2s"},  # a killed client's query ends too
    18: {"io_method": "sync"},  # no three idle reader processes
}

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    """Progress for callers that show none."""


class EmbeddedServer:
    """A share in the server of `home`: taken by `start`, given back by `close` or the end of the
    process (even by kill -9); forked children hold it too.

    Raises ConfigurationError where a person has to change something (no binaries, another major's
    data, no permission) and DatabaseUnavailable where the server does not come up.
    """

    def __init__(
        self,
        home: Path,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._home = Path(home).expanduser().absolute()
        self._bin_dir = bin_dir
        self._settings = dict(settings or {})
        self._users: IO[str] | None = None
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where this major's data, log and locks are; known after `start`."""
        if self._folder is None:
            raise ConfigurationError("the embedded database was not started")
        return self._folder

    def start(self, progress: Progress = _silent) -> str:
        """Make sure that the server runs, and return its URL."""
        bin_dir = find_binaries(self._bin_dir)
        major = read_major(bin_dir)
        folder = self._folder = self._home / f"postgres-{major}"
        try:
            refuse_other_majors(self._home, major)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            with (folder / "start.lock").open("a") as gate:
                _wait_for_lock(gate, progress)
                self._users = (folder / "users.lock").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                return _Start(folder, bin_dir, major, self._settings, progress).run()
        except MLTradingError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise explain_refusal(error, folder) from error

    def close(self) -> None:
        """Give the share back; the server stops when nobody holds one."""
        if self._users is not None:
            self._users.close()
            self._users = None

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _wait_for_lock(gate: IO[str], progress: Progress) -> None:
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("Waiting for another process that starts or stops the database")
        fcntl.flock(gate, fcntl.LOCK_EX)


class _Start:
    """One start, under the folder's start lock and with a share of its users lock."""

    def __init__(
        self,
        folder: Path,
        bin_dir: Path,
        major: int,
        settings: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._bin = bin_dir
        self._major = major
        self._progress = progress
        self._identity = choose_identity(folder)
        self._sockets = socket_folder(folder)
        if ":" in self._identity:
            uid, gid = map(int, self._identity.split(":"))
            os.chown(folder, uid, gid)
            os.chown(self._sockets, uid, gid)
        self._settings = {**SETTINGS, "unix_socket_directories": str(self._sockets)}
        for since, more in LATER_SETTINGS.items():
            if major >= since:
                self._settings.update(more)
        self._settings.update(settings)
        self._log = folder / "server.log"

    def run(self) -> str:
        url = f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='/')}"
        self._check_version()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        if not is_supervised(self._folder) or not self._await_connection(None):
            self._progress(f"Starting PostgreSQL {self._major}")
            self._launch()
        return url

    def _launch(self) -> None:
        log_start = self._log.stat().st_size if self._log.exists() else 0
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb", buffering=0) as ready:
            try:
                self._spawn_supervisor(reader)
            finally:
                os.close(reader)
            if not self._await_connection(ready):
                raise explain_output(self._log_since(log_start), self._folder)

    def _check_version(self) -> None:
        path = self._data / "PG_VERSION"
        if path.exists() and path.read_text().strip() != str(self._major):
            raise ConfigurationError(
                f"{self._data} holds data of PostgreSQL {path.read_text().strip()}, the installed"
                f" one is {self._major}: install the matching major, or move the folder away"
            )

    def _initialise(self) -> None:
        self._progress("Creating the database folder (once)")
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        options = "-U postgres -A trust -E UTF8 --locale=C --data-checksums".split()
        command = [str(self._bin / "initdb"), "-D", str(fresh), *options]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        answer = subprocess.run(
            [*run_supervisor("run", self._identity), *command],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            check=False,
        )
        if answer.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise explain_output(answer.stderr or answer.stdout, self._folder)
        fresh.rename(self._data)  # a killed initdb leaves no half of a database behind

    def _spawn_supervisor(self, ready: int) -> None:
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        # It leaves this process's session, and forks once more: it is nobody's child.
        subprocess.run(
            [*run_supervisor("serve", str(self._folder), self._identity, str(ready)), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            pass_fds=(ready,),
            start_new_session=True,
            check=False,  # 1: another one is at work after all, and the connection will succeed
        )

    def _await_connection(self, ready: IO[bytes] | None) -> bool:
        """Wait until a connection succeeds (no process id is proof of a running server), and say
        so to a new supervisor through `ready`; False when there is no supervisor any more."""
        started = told = time.monotonic()
        while time.monotonic() - started < START_LIMIT_SECONDS:
            supervised = is_supervised(self._folder)
            try:
                psycopg2.connect(
                    host=str(self._sockets), user="postgres", dbname="postgres", connect_timeout=3
                ).close()
                if ready is not None:
                    ready.write(b"r")
                return True
            except psycopg2.OperationalError:
                if not supervised:
                    return False
            if time.monotonic() - told > 2:
                told = time.monotonic()
                self._progress(f"Still starting after {told - started:.0f} s (recovering data)")
            time.sleep(POLL_SECONDS)
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL did not answer within {START_LIMIT_SECONDS:.0f} s; its log is"
            f" {self._log}"
        )

    def _log_since(self, position: int) -> str:
        if not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")
