"""Fetch the npm packages of the delivery tests into .cache/, as package-lock.json pins them.

`python -m tools.node_packages` fetches `node`, and with `node_heroku` Heroku's command line (400
MB). Nothing of a package is run at its installation.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from tools.bootstrap import ROOT, SetupFailed, run_step
from tools.postgres_matrix import npm

TESTS = ROOT / "tests/test_delivery"
CACHE = ROOT / ".cache"
MODULES = CACHE / "delivery-node" / "node_modules"
FILES = ("package.json", "package-lock.json")


def install(source: str = "node") -> Path:
    """The modules that the lock in tests/test_delivery/<source> names; fetched where they are not
    there yet."""
    given = TESTS / source
    folder = CACHE / f"delivery-{source.replace('_', '-')}"
    stamp = folder / ".installed"
    digest = hashlib.sha256(b"".join((given / name).read_bytes() for name in FILES)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return folder / "node_modules"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(given / name, folder / name)
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    run_step("fetching the npm packages of the tests", [*command, "--prefix", str(folder)])
    stamp.write_text(digest)
    return folder / "node_modules"


if __name__ == "__main__":
    try:
        modules = install(*sys.argv[1:2])
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
    print(modules)
