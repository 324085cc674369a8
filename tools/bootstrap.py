"""Create .venv and install the locked requirements into it; standard library only.

`python tools/bootstrap.py run|dev`, from the repository root. Safe to repeat, and to interrupt: the
stamp that tells make there is nothing to do is written last.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MADE_IN = VENV / ".made-in"
LOCK = ROOT / ".cache" / "setup.lock"
LOCK_OF = {"run": "requirements-embedded.txt", "dev": "requirements-dev.txt"}
NEEDED_MEGABYTES = {"run": 900, "dev": 1300}


class SetupFailed(Exception):
    """One line: what is wrong and the way out."""


def main(target: str) -> None:
    try:
        check_disk(target)
        with alone():
            make_venv()
            for title, command in steps(target):
                run_step(title, command)
            (VENV / f".installed-{target}").write_text(f"{ROOT}\n")
    except OSError as error:
        raise SetupFailed(f"can not set up {VENV}: {error}") from error


@contextmanager
def alone() -> Iterator[None]:
    """One set-up at a time: a second would take the first's half-made .venv for a broken one."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another set-up of this folder ...", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def steps(target: str) -> Iterator[tuple[str, list[str]]]:
    """Title and command of each installation step that is still to do."""
    if not runs(str(VENV / "bin" / "uv"), "--version"):
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        yield "installing the installer (uv)", pip + [
            "--require-hashes",
            "-r",
            "tools/bootstrap.txt",
        ]
    lock = LOCK_OF[target]
    count = sum("==" in line for line in (ROOT / lock).read_text().splitlines())
    yield f"installing {count} packages of {lock}", install_command("--require-hashes", "-r", lock)
    yield "installing mltrading", install_command("--no-deps", "--no-build-isolation", "-e", ".")


def install_command(*arguments: str) -> list[str]:
    """uv where it runs on this machine, else pip (five times slower, the same result)."""
    uv = VENV / "bin" / "uv"
    if runs(str(uv), "--version"):
        return [str(uv), "pip", "install", "--quiet", "--python", str(PYTHON), *arguments]
    return [str(PYTHON), "-m", "pip", "install", "--quiet", *arguments]


def check_disk(target: str) -> None:
    if (VENV / f".installed-{target}").exists():
        return
    free = shutil.disk_usage(ROOT).free // 2**20
    if free < NEEDED_MEGABYTES[target]:
        raise SetupFailed(
            f"disk full: {free} MB free at {ROOT}, about {NEEDED_MEGABYTES[target]} MB are needed"
        )


def make_venv() -> None:
    """A working .venv for this folder; one that moved, broke or is of another Python is renewed."""
    if usable():
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupFailed(
            f"{sys.executable} has no venv module; install it with: "
            f"apt-get install python{version}-venv"
        )
    run_step(f"creating .venv with Python {version}", [sys.executable, "-m", "venv", str(VENV)])
    MADE_IN.write_text(str(ROOT))


def usable() -> bool:
    """Whether .venv was made here and runs; with PYTHON given, also whether it is that version."""
    if not MADE_IN.exists() or MADE_IN.read_text() != str(ROOT):
        return False
    wanted = sys.version_info[:2]
    compare = f"== {wanted}" if os.environ.get("PYTHON") else ">= (3, 11)"
    return runs(str(PYTHON), "-c", f"import sys; sys.exit(not sys.version_info[:2] {compare})")


def runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run_step(title: str, command: list[str]) -> None:
    """Run quietly under a ticking line; on failure raise with the last thing the command said."""
    environment = {**os.environ, "UV_CACHE_DIR": cache_folder(), **certificates()}
    with ticking(title):
        result = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode == 0:
            return
        said = (result.stderr or result.stdout).strip().splitlines() or ["it gave no message"]
        if any("No space left" in line or "os error 28" in line for line in said):
            raise SetupFailed(f"disk full while {title}; free some space and run again")
        raise SetupFailed(f"{title} failed: {' '.join(line.strip() for line in said[-3:])}")


def cache_folder() -> str:
    """uv's usual cache, or one in the repository where the home folder can not be written."""
    if given := os.environ.get("UV_CACHE_DIR"):
        return given
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        usual.mkdir(parents=True, exist_ok=True)
    except OSError:
        return str(ROOT / ".cache" / "uv")
    return str((usual if os.access(usual, os.W_OK) else ROOT / ".cache") / "uv")


def certificates() -> dict[str, str]:
    """Lets uv trust the authorities of this machine, as pip does, where it has any: a company's
    proxy signs with one that uv does not bring along."""
    known = ssl.create_default_context().cert_store_stats()["x509_ca"]
    return {} if "UV_SYSTEM_CERTS" in os.environ or not known else {"UV_SYSTEM_CERTS": "true"}


@contextmanager
def ticking(title: str) -> Iterator[None]:
    """Show the step and its seconds: a running count on a terminal, plain lines elsewhere."""
    started = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.2):
            sys.stderr.write(f"\r{title} ... {time.monotonic() - started:.0f} s")
            sys.stderr.flush()

    terminal = sys.stderr.isatty()
    ticker = threading.Thread(target=tick, daemon=True)
    if terminal:
        ticker.start()
    else:
        print(f"{title} ...", file=sys.stderr, flush=True)
    ended = "failed"
    try:
        yield
        ended = "done"
    finally:
        done.set()
        if terminal:
            ticker.join()
            sys.stderr.write("\r\x1b[K")
        seconds = time.monotonic() - started
        print(f"{title}: {ended} in {seconds:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
