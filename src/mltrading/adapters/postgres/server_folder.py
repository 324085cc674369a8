"""The folder of an embedded server: who runs it, where its socket is, whether it is in use."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from mltrading.adapters.postgres import supervisor
from mltrading.errors import ConfigurationError

SUPERVISOR = Path(supervisor.__file__)
LONGEST_SOCKET_PATH = 107  # bytes; sun_path of Linux holds 108 with its end mark
SOCKET_NAME = ".s.PGSQL.5432"


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


def refuse_other_majors(home: Path, major: int) -> None:
    """Starting empty beside another major's data would look like lost data."""
    if (home / f"postgres-{major}" / "data" / "PG_VERSION").exists():
        return
    for version in sorted(home.glob("postgres-*/data/PG_VERSION")):
        raise ConfigurationError(
            f"{version.parent.parent} holds data of another major than the installed PostgreSQL"
            f" {major}: install that major again to dump it, or move the folder away"
        )


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
        [*run_supervisor("run", "namespace"), true], capture_output=True, check=False
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


def run_supervisor(*arguments: str) -> list[str]:
    # -W: Python 3.12 warns of a fork beside a thread; the child only executes another program.
    return [sys.executable, "-I", "-S", "-W", "ignore", str(SUPERVISOR), *arguments]


def environment() -> dict[str, str]:
    """Without what would steer the server: PG* variables and the user's language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
