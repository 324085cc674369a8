"""A folder in memory for the processes of one server, gone with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "mltrading-numbers"
_MEMORY = "/dev/shm"  # noqa: S108 - a folder of mode 0700 is made in it, and its owner checked


def server_folder(server: int, base: Path | None = None) -> Path:
    """The folder of the server whose first process has that id; made at the first call, when
    folders of servers that are gone are removed too. OSError where there is no place for it."""
    base = base or _base()
    folder = _place(server, base)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o170777 != 0o040700:
        raise OSError(f"{folder} is not a folder of ours alone")
    for other in base.glob(f"{_start()}*"):
        number, _, began = other.name.removeprefix(_start()).partition("-")
        if other != folder and number.isdigit() and str(_started(int(number)) or "") != began:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def remove(server: int, base: Path | None = None) -> None:
    """The server ends."""
    shutil.rmtree(_place(server, base or _base()), ignore_errors=True)


def _place(server: int, base: Path) -> Path:
    return base / f"{_start()}{server}-{_started(server) or 0}"


def _start() -> str:
    return f"{PREFIX}-{os.getuid()}-{_namespace()}-"


def _base() -> Path:
    return Path(_MEMORY if os.access(_MEMORY, os.W_OK) else tempfile.gettempdir())


def _namespace() -> str:
    """In which process numbers mean what they mean here: containers may share their memory."""
    with suppress(OSError):
        return "".join(c for c in os.readlink("/proc/self/ns/pid") if c.isdigit())
    return "0"


def _started(process: int) -> int | None:
    """When a process began, in the system's ticks, so that a number used again is another process;
    None where it is gone, 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="latin-1")
        return int(text.rpartition(")")[2].split()[19])
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return 0
