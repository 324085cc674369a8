"""Get what the tests need besides Python packages: two browsers, a Redis server, a false clock, the
accessibility rules, and the programs that judge files for Prometheus.

`python -m tools.setup_tests`. On Debian and Ubuntu the programs are installed with apt, as root or
(on a machine of CI) by sudo; elsewhere what is missing is named, and with CI set that is an error.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

from tools import prometheus
from tools.bootstrap import SetupFailed, install_command, run_step
from tools.browsers import BROWSERS, missing

PACKAGES = {
    "chromium": ["chromium", "chromium-driver"],
    "firefox": ["firefox-esr"],
    "redis": ["redis-server"],
    "faketime": ["faketime"],
}
PROGRAMS = {"redis": "redis-server", "faketime": "faketime"}


def main() -> None:
    if importlib.util.find_spec("axe_playwright_python") is None:
        pinned = ("--no-deps", "--require-hashes", "-r", "tools/axe.txt")
        run_step("installing axe-core", install_command(*pinned))
    wanted = [name for name in PACKAGES if _missing(name)]
    become_root = _become_root()
    if wanted and shutil.which("apt-get") and become_root is not None:
        _install(wanted, become_root)
    reasons = [reason for name in PACKAGES if (reason := _missing(name))]
    reasons += [reason for name in prometheus.PACKAGES if (reason := _fetched(name))]
    for reason in reasons:
        sys.stderr.write(f"{reason}\n")
    if reasons and os.environ.get("CI"):
        raise SetupFailed("with CI set all of them are required")


def _fetched(name: str) -> str | None:
    """Why a program of Prometheus can not be had; None where it is there now."""
    reason = prometheus.missing(name)
    if reason is None:
        try:
            prometheus.program(name)
        except SetupFailed as failure:
            return f"{name} could not be fetched: {failure}"
    return reason


def _missing(name: str) -> str | None:
    """What has to be installed, with the command; None where it is there."""
    if name in BROWSERS:
        return missing(name)
    program = PROGRAMS[name]
    if shutil.which(program):
        return None
    return f"{program} is missing; on Debian or Ubuntu: apt-get install {program}"


def _become_root() -> list[str] | None:
    """What to put before a command that only root may run; None where that is not ours to do."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if os.environ.get("CI") and shutil.which("sudo") else None


def _install(wanted: list[str], become_root: list[str]) -> None:
    apt = [*become_root, "apt-get", "-o", "DPkg::Lock::Timeout=120", "-qq"]
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run_step("updating the package lists", [*apt, "update"])
    packages = [package for name in wanted for package in PACKAGES[name] if _known(package)]
    if packages:
        title = f"installing {' '.join(packages)}"
        run_step(title, [*apt, "install", "-y", "--no-install-recommends", *packages])


def _known(package: str) -> bool:
    """Whether apt can install it; on Ubuntu Firefox is a snap and has another name."""
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0 and bool(shown.stdout)


if __name__ == "__main__":
    try:
        main()
    except SetupFailed as failure:
        sys.exit(f"mltrading: {failure}")
