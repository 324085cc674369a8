"""Measure what a visitor waits for when a function is started for him.

    PYTHONPATH=.:src python deploy/lambda/cold_start.py postgresql://...    (a database with data)

Starts the image's command with the function's variables, as the platform would, and asks at once,
again and again: until /health/live answers (when the adapter begins to send requests), then a page,
a table and a chart. Prints the medians of several starts, by the clock and by the processor's time
(which other work on the machine does not stretch), with compiled modules and without any; and which
imports take the time.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from delivery.smoke_callbacks import callback
from delivery.smoke_visit import Visit, json_of
from delivery.visit import Unreached, Visitor

FOLDER = Path(__file__).parent
COMMAND = ["-m", "gunicorn", "-c", "python:mltrading.cli.gunicorn_conf", "mltrading.wsgi:server"]
STEPS = ("answers at all", "first page", "table and chart")
GIVE_UP_SECONDS = 120.0


def function_variables() -> dict[str, str]:
    """What deploy/lambda/Dockerfile sets."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r'(\w+)="([^"]*)"', text))


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process to each of STEPS, and megabytes at the end."""

    clock: list[float]
    processor: list[float]
    megabytes: float


def start(database_url: str, bytecode: str, *, keep: bool = False) -> Start:
    """`bytecode` is the folder of all compiled modules; `keep` adds to it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    variables = {**os.environ, **function_variables(), "PORT": port, "DATABASE_URL": database_url}
    variables |= {"ENVIRONMENT": "development", "PYTHONPYCACHEPREFIX": bytecode}
    variables["PYTHONDONTWRITEBYTECODE"] = "" if keep else "1"
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *COMMAND], env=variables)
    visitor = Visitor(f"http://127.0.0.1:{port}")
    try:
        while not alive(visitor):
            if process.poll() is not None or time.perf_counter() - began > GIVE_UP_SECONDS:
                sys.exit("the server did not start")
            time.sleep(0.01)
        moments = [(time.perf_counter() - began, processor(process.pid))]
        visitor.get("/")
        moments.append((time.perf_counter() - began, processor(process.pid)))
        callback(Visit(visitor, None, callbacks=json_of(visitor.get("/_dash-dependencies"))))
        moments.append((time.perf_counter() - began, processor(process.pid)))
        clock, cpu = zip(*moments)
        return Start(list(clock), list(cpu), memory(process.pid))
    finally:
        visitor.close()
        process.terminate()
        process.wait(40)


def alive(visitor: Visitor) -> bool:
    try:
        return visitor.get("/health/live").status == 200
    except Unreached:
        return False


def family(pid: int) -> list[str]:
    """The process and its workers."""
    return [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processor(pid: int) -> float:
    """Seconds of processor time that they took."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Megabytes of them, shared pages counted once (PSS)."""
    kilobytes = 0
    for one in family(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        kilobytes += int(re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[0])
    return kilobytes / 1024


def slowest_imports(most: int = 8) -> list[tuple[str, float]]:
    """Top packages and the seconds their own modules take, by `python -X importtime`."""
    words = [sys.executable, "-X", "importtime", "-c", "import mltrading.app"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    spent: dict[str, float] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr):
        package = name.partition(".")[0]
        spent[package] = spent.get(package, 0.0) + int(own) / 1e6
    return sorted(spent.items(), key=lambda pair: -pair[1])[:most]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("database_url")
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as full, tempfile.TemporaryDirectory() as empty:
        start(arguments.database_url, full, keep=True)
        for title, bytecode in (("with compiled modules", full), ("without", empty)):
            runs = [start(arguments.database_url, bytecode) for _ in range(arguments.starts)]
            for step, name in enumerate(STEPS):
                clock = statistics.median(one.clock[step] for one in runs)
                cpu = statistics.median(one.processor[step] for one in runs)
                print(f"{title}: {name} after {clock:.2f} s, {cpu:.2f} s of a processor")
            print(f"{title}: {statistics.median(one.megabytes for one in runs):.0f} MB")
    print("imports:", ", ".join(f"{name} {value:.2f} s" for name, value in slowest_imports()))


if __name__ == "__main__":
    main()
