"""The history of the pipeline, read from GitHub: runs, their jobs and notices, and commits.

Everything is asked anew each time, so there is no state that could be lost or wrong. GitHub keeps
runs for 400 days at the most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from delivery.errors import PlatformError
from delivery.forge import Forge, moment, need
from delivery.measures import Build, Deployment, History, Rollback
from delivery.outage import Outage, read_coverage, read_outage

ENTRY, BY_HAND, ROLLBACK = "ci.yml", "deploy-production.yml", "rollback.yml"
BRANCH = "main"
CHECK_JOB, PRODUCTION_JOB, COVERAGE_JOB = "check", "production", "unit"
PROMOTE_STEP, ROLLBACK_STEP = "delivery promote production", "delivery rollback production"
MOST_PULL_REQUESTS = 30  # pull requests are many; the newest say enough of the build time
LONGEST_WAIT = timedelta(days=30)  # after which GitHub ends a run that waits for approval


def history(forge: Forge, start: datetime, end: datetime) -> History:
    """What finished between the two times, as far as GitHub still has it."""
    since: datetime | None = None
    builds: list[Build] = []
    deployments: list[Deployment] = []
    coverage: list[tuple[datetime, float]] = []
    for run in _runs(forge, start, end):
        jobs = _jobs(forge, run)
        created = moment(run, "created_at")
        since = created if since is None else min(since, created)
        builds += _builds(jobs)
        if run.get("head_branch") == BRANCH:
            deployments += _deployments(forge, jobs)
            coverage += _coverage(forge, jobs)
    undone = [
        Rollback(finished)
        for run in _found(forge, ROLLBACK, start, end, event="workflow_dispatch")
        for job in _jobs(forge, run)
        for finished, succeeded in _step(job, ROLLBACK_STEP)
        if succeeded
    ]
    brought = tuple(_with_lead(forge, deployments))
    return History(since, tuple(builds), brought, tuple(undone), tuple(coverage))


def _runs(forge: Forge, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    begin = start - LONGEST_WAIT
    yield from _found(forge, ENTRY, begin, end, branch=BRANCH, event="push")
    yield from _found(forge, BY_HAND, begin, end, branch=BRANCH, event="workflow_dispatch")
    others = _found(forge, ENTRY, start, end, event="pull_request")
    yield from islice(others, MOST_PULL_REQUESTS)


def _found(
    forge: Forge, workflow: str, start: datetime, end: datetime, **query: str
) -> Iterator[dict[str, Any]]:
    """Runs of a workflow; none where GitHub does not know it yet."""
    created = f"{start:%Y-%m-%dT%H:%M:%SZ}..{end:%Y-%m-%dT%H:%M:%SZ}"
    where = ("actions", "workflows", workflow, "runs")
    try:
        yield from forge.pages(*where, key="workflow_runs", created=created, **query)
    except PlatformError as error:
        if error.status != 404:
            raise


def _jobs(forge: Forge, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Every job of every attempt."""
    where = ("actions", "runs", need(run, "id", int), "jobs")
    return list(forge.pages(*where, key="jobs", filter="all"))


def _named(job: dict[str, Any], name: str) -> bool:
    """A job of a called workflow is named `caller / job`."""
    return need(job, "name", str).rpartition(" / ")[2] == name


def _builds(jobs: list[dict[str, Any]]) -> Iterator[Build]:
    """The first attempt, where it was green: a second one repeats only what failed."""
    first = [job for job in jobs if job.get("run_attempt", 1) == 1]
    for job in first:
        if job.get("name") == CHECK_JOB and job.get("conclusion") == "success":
            finished = moment(job, "completed_at")
            begun = min(moment(each, "created_at") for each in first)
            yield Build(finished, (finished - begun).total_seconds())


def _deployments(forge: Forge, jobs: list[dict[str, Any]]) -> Iterator[Deployment]:
    for job in jobs:
        if not _named(job, PRODUCTION_JOB):
            continue
        for finished, succeeded in _step(job, PROMOTE_STEP):
            waited = moment(job, "started_at") - moment(job, "created_at")
            yield Deployment(
                need(job, "head_sha", str),
                finished,
                succeeded,
                max(waited.total_seconds(), 0.0),
                outage=None if succeeded else _outage(forge, job),
            )


def _step(job: dict[str, Any], name: str) -> Iterator[tuple[datetime, bool]]:
    """When a step that ran ended, and how; one that was skipped or cancelled did not run."""
    for step in job.get("steps") or []:
        if name in need(step, "name", str) and step.get("conclusion") in ("success", "failure"):
            yield moment(step, "completed_at"), step["conclusion"] == "success"


def _annotations(forge: Forge, job: dict[str, Any]) -> list[dict[str, Any]]:
    """What the steps of a job announced; the number of a job is that of its check run."""
    return list(forge.pages("check-runs", need(job, "id", int), "annotations"))


def _outage(forge: Forge, job: dict[str, Any]) -> Outage | None:
    announced = (read_outage(one) for one in _annotations(forge, job))
    return next((outage for outage in announced if outage is not None), None)


def _coverage(forge: Forge, jobs: list[dict[str, Any]]) -> Iterator[tuple[datetime, float]]:
    for job in jobs:
        if job.get("name") == COVERAGE_JOB and job.get("conclusion") == "success":
            for annotation in _annotations(forge, job):
                percent = read_coverage(annotation)
                if percent is not None:
                    yield moment(job, "completed_at"), percent


def _with_lead(forge: Forge, deployments: list[Deployment]) -> Iterator[Deployment]:
    """Each success with the lead of the commits it brought since the success before it."""
    ordered = sorted(deployments, key=lambda one: one.finished)
    done = [one for one in ordered if one.succeeded]
    yield from (one for one in ordered if not one.succeeded)
    yield from done[:1]
    for before, one in pairwise(done):
        yield replace(one, lead=_lead(forge, before.commit, one))


def _lead(forge: Forge, base: str, deployment: Deployment) -> tuple[float, ...] | None:
    """None where GitHub does not know the commits any more; of more than 100 the oldest 100."""
    if base == deployment.commit:
        return ()
    try:
        compared = forge.get("compare", f"{base}...{deployment.commit}", per_page=100)
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    leads = []
    for commit in need(compared, "commits", list):
        written = moment(need(need(commit, "commit", dict), "committer", dict), "date")
        leads.append((deployment.finished - written).total_seconds() - deployment.waited)
    return tuple(max(seconds, 0.0) for seconds in leads)
