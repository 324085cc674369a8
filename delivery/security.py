"""`python -m delivery security`: run every security scanner, each with a JSON report of its own.

The reports go to build/security; `python -m delivery security-gate` judges them, so a scanner that
finds something does not keep the next one from running. Keys go to a scanner by its environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.findings import AT_HAND, FOLDER, ROOT, SCANNERS, Scanner
from delivery.scanner_programs import program

SOURCES = ("src", "delivery", "tools")
SCRIPTS = "static/js"
LOCKS = ("requirements.txt", "delivery/requirements.txt")
RULES = "delivery/rules"
NOT_DELIVERED = (".cache", ".venv", ".venv-tools", "build", "dist", "tests")
# Left out are those that say of every subprocess that it is one, of every assert and of every
# `random`: a shell, and a guessable token, are found by our own rules and by B602, B605.
LEFT_OUT = "B101,B311,B404,B603,B606,B607"
LONGEST_SECONDS = 600
SHORT_SECONDS = 100
KEYS_OF_OTHERS = {"SAFETY_API_KEY": "SECURITY_TOKEN"}


def configure(parser: argparse.ArgumentParser) -> None:
    names = [scanner.name for scanner in SCANNERS]
    parser.add_argument("--only", action="append", choices=names, help="just this one")
    parser.add_argument(
        "--at-hand",
        action="store_true",
        help=f"just {', '.join(AT_HAND)}, at once and with little patience: for `make check`",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    names = AT_HAND if arguments.at_hand else arguments.only
    chosen = [one for one in SCANNERS if not names or one.name in names]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    patience = SHORT_SECONDS if arguments.at_hand else LONGEST_SECONDS

    def scan_one(scanner: Scanner) -> None:
        report = arguments.folder / f"{scanner.name}.json"
        report.unlink(missing_ok=True)  # an old one would prove something about old code
        started = time.monotonic()
        outcome = scan(scanner, report, patience=patience)
        print(f"{scanner.name}: {outcome}, {time.monotonic() - started:.0f} s", flush=True)

    with ThreadPoolExecutor(len(chosen) if arguments.at_hand else 1) as pool:
        list(pool.map(scan_one, chosen))
    return 0


def command(name: str, report: Path) -> list[str]:
    """The words that make a scanner write its report."""
    target = str(report)
    locks = [word for lock in LOCKS for word in ("-r", lock)]
    commands: dict[str, list[str]] = {
        "bandit": [
            *("bandit", "--quiet", "--recursive", "--format", "json", "--output", target),
            *("--skip", LEFT_OUT, *SOURCES),
        ],
        # Its own rules alone: those of its makers are fetched and tell them about it.
        "semgrep": [
            *("semgrep", "scan", "--metrics=off", "--disable-version-check", "--quiet"),
            *("--config", RULES, "--json", "--output", target, *SOURCES, SCRIPTS),
        ],
        # Without -S it ends well when it could audit nothing.
        "pip-audit": [
            *("pip-audit", "-S", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
            *("--format", "json", "--desc", "on", "--output", target, *locks),
        ],
        "safety": ["safety", "scan", "--target", ".", "--save-as", "json", target],
        # It asks a Python in which the lock is installed what belongs to what.
        "snyk": [
            *("snyk", "test", "--file=requirements.txt", f"--command={sys.executable}"),
            f"--json-file-output={target}",
        ],
        # What is delivered: the tests' locks, and what was fetched for them, are not.
        "trivy": [
            *("trivy", "filesystem", "--quiet", "--scanners", "vuln", "--list-all-pkgs"),
            *("--skip-dirs", ",".join(NOT_DELIVERED), "--format", "json", "--output", target, "."),
        ],
    }
    return commands[name]


def scan(
    scanner: Scanner,
    report: Path,
    known: Mapping[str, str] | None = None,
    patience: float | None = None,
) -> str:
    """How it ended, in words; its report is there, or the gate says that it is not."""
    seconds = LONGEST_SECONDS if patience is None else patience
    environment = dict(os.environ if known is None else known)
    for name, ours in KEYS_OF_OTHERS.items():
        if environment.get(ours):
            environment.setdefault(name, environment[ours])
    if scanner.keys and not any(environment.get(key) for key in scanner.keys):
        reason = f"no key: {' or '.join(scanner.keys)} is not set"
        report.write_text(json.dumps({"skipped": reason}) + "\n", encoding="utf-8")
        return f"skipped, {reason}"
    words = command(scanner.name, report)
    try:
        words[0] = program(words[0], environment)
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(report, f"broken off after {seconds:g} s")
    except (DeliveryError, OSError) as error:
        return _failed(report, str(error))
    if report.exists():
        return f"ended with {done.returncode}"
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return _failed(report, f"ended with {done.returncode}, no report, saying: {said[:200]}")


def _failed(report: Path, reason: str) -> str:
    report.write_text(json.dumps({"failed": reason}) + "\n", encoding="utf-8")
    return reason
