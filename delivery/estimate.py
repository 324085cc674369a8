"""`python -m delivery metrics estimate`: the wall time of ci.yml from recorded times of its jobs.

The workflow's own graph (`needs`, rows of its matrices, called workflows) is played through with
the seconds in job-times.json, each measured somewhere and said where. Assumed, and printed:

- a runner with more cores than the machine that was measured makes a job marked `parallel` faster
  by EFFICIENCY of the ratio, every other job not at all; fewer cores make it slower in proportion;
- each job waits OVERHEAD_SECONDS for its runner, the checkout and the caches;
- RUNNERS jobs run at once (GitHub's free plan), further ones queue; waiting for an approval counts
  nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from delivery import matrix
from delivery.errors import DeliveryError
from delivery.findings import ROOT
from delivery.forge import Summary, table

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
TIMES = Path(__file__).with_name("job-times.json")
TARGET_SECONDS = 600
CORES = 4
RUNNERS = 20
OVERHEAD_SECONDS = 30
EFFICIENCY = 0.8
GATE = "check"


@dataclass(frozen=True, slots=True)
class Recorded:
    """How long a job (one row of it) took on a machine of so many cores; `parallel`: it kept all
    of them busy."""

    seconds: float
    cores: int
    parallel: bool
    date: str
    where: str

    def on(self, cores: int) -> float:
        ratio = cores / self.cores
        if not self.parallel or ratio == 1:
            return self.seconds
        return self.seconds / (1 + (ratio - 1) * EFFICIENCY if ratio > 1 else ratio)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the graph: what it waits for, and how many rows of it run beside one another."""

    name: str
    needs: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Played:
    """When a job's last row started and ended, in seconds; `after` is the job it waited for."""

    start: float
    end: float
    after: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workflow", type=Path, default=WORKFLOW, help="default: %(default)s")
    parser.add_argument("--times", type=Path, default=TIMES, help="default: %(default)s")
    parser.add_argument("--cores", type=int, default=CORES, help="of a runner: %(default)s")
    parser.add_argument("--runners", type=int, default=RUNNERS, help="at once: %(default)s")
    parser.add_argument("--event", default="pull_request", help="default: %(default)s")
    parser.add_argument("--ref", default="", help="refs/heads/main has more rows of the matrix")
    parser.set_defaults(run=run)


def configure_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="its name in ci.yml; CALLER/JOB of a called workflow")
    parser.add_argument("seconds", type=float, nargs="?", help="or, with --run, measured")
    parser.add_argument("--run", dest="command", help="run and time this command")
    parser.epilog = "example: metrics record quality --run 'make check' --where 'a laptop'"
    parser.add_argument("--where", required=True, help="which machine, in words")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="%(default)s")
    parser.add_argument("--parallel", action="store_true", help="it keeps all cores busy")
    parser.add_argument("--times", type=Path, default=TIMES, help="default: %(default)s")
    parser.set_defaults(run=record)


def run(arguments: argparse.Namespace) -> int:
    if arguments.cores < 1 or arguments.runners < 1:
        raise DeliveryError("a runner has at least one core, and there is at least one runner")
    jobs = graph(arguments.workflow, len(matrix.rows(arguments.event, arguments.ref)))
    times = recorded(arguments.times)
    wanted = closure(jobs, GATE)
    missing = sorted(name for name in wanted if name not in times)
    if missing:
        raise DeliveryError(
            f"no recorded time of {', '.join(missing)}; measure it and run"
            f" `python -m delivery metrics record {missing[0]} SECONDS --where ...`"
        )
    chosen = [job for job in jobs if job.name in wanted]
    seconds = {job.name: times[job.name].on(arguments.cores) + OVERHEAD_SECONDS for job in chosen}
    played = play(chosen, seconds, arguments.runners)
    total = played[GATE].end
    Summary(_page(chosen, times, seconds, played, arguments)).write()
    return 0 if total < TARGET_SECONDS else 1


def _page(
    jobs: list[Job],
    times: Mapping[str, Recorded],
    seconds: Mapping[str, float],
    played: Mapping[str, Played],
    arguments: argparse.Namespace,
) -> list[str]:
    on_path = path(played, GATE)
    rows = [
        [
            f"**{job.name}**" if job.name in on_path else job.name,
            str(job.rows),
            f"{times[job.name].seconds:.0f}",
            f"{times[job.name].cores}{' all' if times[job.name].parallel else ''}",
            f"{seconds[job.name]:.0f}",
            f"{played[job.name].start:.0f}-{played[job.name].end:.0f}",
            f"{times[job.name].where}, {times[job.name].date}",
        ]
        for job in jobs
    ]
    total = played[GATE].end
    verdict = "under" if total < TARGET_SECONDS else "**not under**"
    return [
        f"### Estimated time of ci.yml, {arguments.event} {arguments.ref}".rstrip(),
        "",
        *table(["job", "rows", "measured s", "cores", "estimate s", "from-to s", "where"], rows),
        "",
        f"{total / 60:.1f} minutes to `{GATE}`, {verdict} {TARGET_SECONDS // 60}:"
        f" {' -> '.join(on_path)}.",
        f"Assumed: runners of {arguments.cores} cores, {arguments.runners} at once;"
        f" {OVERHEAD_SECONDS} s a job for runner, checkout and caches; a job that keeps all cores"
        f" busy gains {EFFICIENCY:.0%} of further cores, every other job nothing.",
    ]


def graph(workflow: Path, matrix_rows: int, prefix: str = "") -> list[Job]:
    """The jobs of a workflow file; those of a called one are named CALLER/JOB, and what needs the
    caller needs all of them. A matrix that a job computes has `matrix_rows` rows."""
    try:
        described = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DeliveryError(f"can not read the jobs of {workflow}: {error!r}") from None
    inner: dict[str, list[Job]] = {}
    for name, body in described.items():
        called = str(body.get("uses", ""))
        if called.startswith("./"):
            below = workflow.parent / Path(called).name
            inner[name] = graph(below, matrix_rows, f"{prefix}{name}/")
    jobs = []
    for name, body in described.items():
        waits = [body.get("needs", [])] if isinstance(body.get("needs"), str) else body.get("needs")
        needs = tuple(
            needed
            for one in waits or []
            for needed in ([job.name for job in inner.get(one, [])] or [f"{prefix}{one}"])
        )
        if name in inner:
            jobs += [Job(job.name, (*job.needs, *needs), job.rows) for job in inner[name]]
        else:
            jobs.append(Job(f"{prefix}{name}", needs, _rows(body, matrix_rows)))
    return jobs


def _rows(body: Mapping[str, Any], computed: int) -> int:
    parameters = (body.get("strategy") or {}).get("matrix") or {}
    if isinstance(parameters, str):
        return computed
    rows = 1
    for name, values in parameters.items():
        if name in ("include", "exclude"):
            continue
        rows *= len(values) if isinstance(values, list) else computed
    return rows + len(parameters.get("include", ())) - len(parameters.get("exclude", ()))


def closure(jobs: list[Job], last: str) -> set[str]:
    """The job and everything it waits for."""
    needs = {job.name: job.needs for job in jobs}
    if last not in needs:
        raise DeliveryError(f"the workflow has no job {last!r}")
    found, left = set[str](), [last]
    while left:
        name = left.pop()
        if name not in needs:
            raise DeliveryError(f"a job needs {name!r}, which is not there")
        if name not in found:
            found.add(name)
            left += needs[name]
    return found


def play(jobs: list[Job], seconds: Mapping[str, float], runners: int) -> dict[str, Played]:
    """Run the graph on so many runners: whoever is ready first goes first, ties by their order."""
    free = [0.0] * runners
    played: dict[str, Played] = {}
    waiting = list(jobs)
    while waiting:
        ready = [job for job in waiting if all(need in played for need in job.needs)]
        if not ready:
            names = ", ".join(job.name for job in waiting)
            raise DeliveryError(f"these jobs wait for one another: {names}")
        job = min(ready, key=lambda one: _ready_at(one, played))
        waiting.remove(job)
        begin = _ready_at(job, played)
        after = max(job.needs, key=lambda need: played[need].end, default=None)
        start = end = begin
        for _ in range(job.rows):
            free.sort()
            start = max(begin, free[0])
            free[0] = start + seconds[job.name]
            end = max(end, free[0])
        played[job.name] = Played(start, end, after)
    return played


def _ready_at(job: Job, played: Mapping[str, Played]) -> float:
    return max((played[need].end for need in job.needs), default=0.0)


def path(played: Mapping[str, Played], last: str) -> list[str]:
    """The jobs on which the end of `last` hangs, first to last."""
    found, name = [last], played[last].after
    while name is not None:
        found.append(name)
        name = played[name].after
    return found[::-1]


def recorded(times: Path) -> dict[str, Recorded]:
    if not times.exists():
        return {}
    try:
        body = json.loads(times.read_text(encoding="utf-8"))
        found = {name: Recorded(**one) for name, one in body.items()}
        for one in found.values():
            date.fromisoformat(one.date)
            if not (one.seconds >= 0 and one.cores >= 1 and one.where):
                raise ValueError(f"{one} can not be")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DeliveryError(f"can not read {times}: {error}") from None
    return found


def record(arguments: argparse.Namespace) -> int:
    """Keep the time of a job, or of a command that is run for it; one that fails has none."""
    times = recorded(arguments.times)
    seconds = _seconds(arguments)
    if not 0 <= seconds < 24 * 3600 or arguments.cores < 1:
        raise DeliveryError("a job takes 0 seconds to a day, on one core or more")
    today = datetime.now(timezone.utc).date().isoformat()
    times[arguments.job] = Recorded(
        round(seconds, 2), arguments.cores, arguments.parallel, today, arguments.where
    )
    kept = {name: asdict(one) for name, one in sorted(times.items())}
    arguments.times.parent.mkdir(parents=True, exist_ok=True)
    arguments.times.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(f"{arguments.job}: {seconds:.1f} s on {arguments.cores} cores")
    return 0


def _seconds(arguments: argparse.Namespace) -> float:
    if (arguments.seconds is None) == (arguments.command is None):
        raise DeliveryError("give either the seconds or, with --run, the command that is the job")
    if arguments.seconds is not None:
        return float(arguments.seconds)
    started = time.monotonic()
    try:
        words = shlex.split(arguments.command)
        done = subprocess.run(words, check=False)
    except (OSError, ValueError, IndexError) as error:
        raise DeliveryError(f"can not run {arguments.command!r}: {error}") from None
    if done.returncode != 0:
        raise DeliveryError(f"{arguments.command} ended with {done.returncode}; no time is kept")
    return time.monotonic() - started
