"""Find `promtool` and `amtool`, which judge what we give to Prometheus and Alertmanager.

    python -m tools.prometheus promtool     prints the path of the program

Where they are not installed they come out of Debian's packages (Apache-2.0), which apt fetches and
checks, unpacked into .cache/ without being installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bootstrap import ROOT, SetupFailed, run_step

FOLDER = ROOT / ".cache" / "prometheus"
PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}


def program(name: str) -> str:
    """The path of `promtool` or `amtool`, fetched at the first call. SetupFailed where it can not
    be had."""
    found = shutil.which(name) or str(FOLDER / name)
    if not Path(found).exists():
        _fetch(name)
    return found


def missing(name: str) -> str | None:
    """Why the program can not be had; None where it can."""
    if shutil.which(name) or (FOLDER / name).exists() or shutil.which("apt-get"):
        return None
    return f"{name} is missing; it is in the package {PACKAGES[name]} of Debian and Ubuntu"


def _fetch(name: str) -> None:
    package = PACKAGES[name]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        Path(scratch).chmod(0o755)  # apt fetches as a user of its own
        known = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
        if known.returncode or not known.stdout:
            run_step("updating the package lists", ["apt-get", "-qq", "update"])
        there = ["sh", "-c", 'cd "$0" && "$@"', scratch]
        run_step(f"fetching {package}", [*there, "apt-get", "-qq", "download", package])
        [archive] = Path(scratch).glob("*.deb")
        run_step(f"unpacking {package}", ["dpkg", "-x", str(archive), scratch])
        # Whole or not at all: tests that run beside one another may all come for it.
        Path(scratch, "usr", "bin", name).rename(FOLDER / name)


if __name__ == "__main__":
    try:
        print(program(sys.argv[1]))
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
