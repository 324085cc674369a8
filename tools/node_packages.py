"""Fetch the npm packages of the delivery tests into .cache/, as package-lock.json pins them.

`python -m tools.node_packages`. Nothing of a package is run at its installation.
"""

from __future__ import annotations

import hashlib
import shutil
import sys

from tools.bootstrap import ROOT, SetupFailed, run_step
from tools.postgres_matrix import npm

SOURCE = ROOT / "tests/test_delivery/node"
FOLDER = ROOT / ".cache/delivery-node"
MODULES = FOLDER / "node_modules"
STAMP = FOLDER / ".installed"
FILES = ("package.json", "package-lock.json")


def install() -> None:
    """Nothing happens when what the lock names is there already."""
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, FOLDER / name)
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    run_step("fetching the npm packages of the tests", [*command, "--prefix", str(FOLDER)])
    STAMP.write_text(digest)


if __name__ == "__main__":
    try:
        install()
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
    print(MODULES)
