"""Does the wheel work where there is no source? `make test-wheel`.

The locked requirements and the wheel go into an environment of their own, the tests into a folder
without src, static or any configuration: the quick set has to pass there, then the installed
`mltrading serve` has to pass the smoke test of a deployed release, with the wheel's own commit.
"""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from delivery.build import archive
from delivery.errors import DeliveryError
from delivery.smoke import smoke

ROOT = Path(__file__).resolve().parents[1]
LOCK = "requirements-dev.txt"
COPIED = ("tests/", "tools/", "pyproject.toml")
# What these judge is no part of a wheel.
LEFT_ALONE = ("test_delivery", "test_architecture.py", "test_bootstrap.py")
QUICK = (
    *("-q", "-m", "smoke", "-p", "no:cacheprovider"),
    *(f"--ignore=tests/{name}" for name in LEFT_ALONE),
)
START_SECONDS = 90.0
STOP_SECONDS = 30.0
EMPTY = "environment: development\nfeatures: {test_mode: false}\n"  # test_mode loads a sample


def main(dist: Path) -> None:
    [wheel] = dist.resolve().glob("*.whl")
    commit = commit_of(wheel)
    with tempfile.TemporaryDirectory(prefix="mltrading-wheel-") as name:
        folder = Path(name)
        began = time.monotonic()
        place = copied(commit, folder / "place")
        python = environment(folder / "venv", place / LOCK, wheel)
        said(f"{wheel.name} and its locked requirements are installed", began)
        run([str(python), "-m", "pytest", *QUICK], place)
        said("the quick tests pass without src", began)
        serve_and_check(python, folder, commit)
        said("what it serves passes the smoke test", began)


def copied(commit: str, place: Path) -> Path:
    """A folder with the tests of that commit, and of all the rest only the lock."""
    with tarfile.open(fileobj=io.BytesIO(archive(ROOT, commit))) as tar:
        names = [m for m in tar.getmembers() if m.name.startswith((*COPIED, LOCK))]
        tar.extractall(place, names, filter="data")
    return place


def environment(folder: Path, lock: Path, wheel: Path) -> Path:
    """A Python with the locked development packages and the wheel, nothing of this checkout."""
    uv = str(Path(sys.executable).parent / "uv")
    python = folder / "bin" / "python"
    run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], ROOT)
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    run([*install, "--require-hashes", "-r", str(lock)], ROOT)
    run([*install, "--no-deps", str(wheel)], ROOT)
    return python


def commit_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("mltrading/config/REVISION").decode("ascii").strip()


def serve_and_check(python: Path, folder: Path, commit: str) -> None:
    """The installed command with an embedded database, from a folder that holds nothing of ours."""
    empty = folder / "development.yml"
    empty.write_text(EMPTY)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ours = {"MLTRADING_HOME": str(folder / "home"), "MLTRADING_CONFIG": str(empty)}
    server = subprocess.Popen(
        [str(python.parent / "mltrading"), "serve"],
        cwd=folder,
        env={**clean(), **ours, "PORT": str(port)},
    )
    try:
        smoke(f"http://127.0.0.1:{port}", commit=commit, wait_seconds=START_SECONDS)
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def clean() -> dict[str, str]:
    """The process's environment without what would point back to this checkout."""
    dropped = re.compile(r"PYTHONPATH|VIRTUAL_ENV|ENVIRONMENT|DATABASE_URL|HOST|PORT|MLTRADING_.*")
    return {name: value for name, value in os.environ.items() if not dropped.fullmatch(name)}


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=clean(), check=False)
    if done.returncode:
        sys.exit(f"wheel_check: {' '.join(command[:4])} ... failed with {done.returncode}")


def said(line: str, began: float) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
    except DeliveryError as error:
        sys.exit(f"wheel_check: {error}")
