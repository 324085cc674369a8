"""The repository's own workflow files, run by act without containers, in a copy of what they need.

Other people's actions, `make` and `python` are stand-ins (stand_ins/) that record what was asked
for, so a run takes seconds: what the commands themselves do is proved where they are tested.
act ignores services, environment, concurrency and permissions: see workflow_rules.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from tests.test_delivery.programs import ROOT, tool

HERE = Path(__file__).parent
EVENTS = HERE / "events"
STAND_INS = HERE / "stand_ins"
ACTIONS: dict[str, dict[str, str]] = json.loads((ROOT / ".github" / "actions.json").read_text())
ONE_ROW = [{"python": "3.13", "postgres": "18", "browser": "firefox", "preview": False}]
SECRETS = {
    "HEROKU_API_KEY": "stand-in-of-the-platform-key",
    "KUBE_TOKEN": "stand-in-of-the-other-platform-key",
    "GITHUB_TOKEN": "stand-in-of-the-token",
    "KUBE_REGISTRY_TOKEN": "stand-in-of-the-registry-key",
    "SECURITY_TOKEN": "stand-in-of-the-scanners-key",
    "SNYK_TOKEN": "stand-in-of-another-scanners-key",
    "TRIVY_TOKEN": "stand-in-of-a-third-scanners-key",
    "SLACK_WEBHOOK": "http://127.0.0.1:9/stand-in-of-slack",
    "SMOKE_EMAIL": "stand-in@example.com",
    "SMOKE_PASSWORD": "stand-in-of-the-smoke-test's-password",
    "SMTP_URL": "smtp://127.0.0.1:9",
    "PAGERDUTY_KEY": "stand-in-of-the-pager-key",
}
LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Command:
    """What a step ran, and the names of the secrets it saw."""

    job: str
    words: str
    secrets: frozenset[str]


@dataclass(frozen=True)
class Job:
    """A job that ran; `name` has its caller before a slash where it is one of a called workflow.
    `began` and `ended` are places in act's log."""

    name: str
    matrix: Mapping[str, Any]
    result: str
    began: int
    ended: int


@dataclass(frozen=True)
class Run:
    """What a workflow did; `log` is all that act printed."""

    passed: bool
    jobs: tuple[Job, ...]
    commands: tuple[Command, ...]
    log: str

    def results(self) -> dict[str, str]:
        """How each job ended that ran, of several rows the worst; one not named was skipped."""
        worst = {job.name: job.result for job in self.jobs if job.result == "failure"}
        return {job.name: job.result for job in self.jobs} | worst

    def words(self, job: str | None = None) -> list[str]:
        """The commands of one job, or of all, without the installing ones."""
        return [
            command.words
            for command in self.commands
            if job in (None, command.job) and "pip install" not in command.words
        ]

    def one(self, name: str) -> Job:
        (job,) = [job for job in self.jobs if job.name == name]
        return job


class Repository:
    """A copy with the real workflow files; `edit` changes them, to see a test notice it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.state = folder / "state"
        self.folder.mkdir(parents=True)
        shutil.copytree(ROOT / ".github", self.folder / ".github")
        for name in ("alerting.yml", "delivery", "deploy", "pyproject.toml", "src", "static"):
            (self.folder / name).symlink_to(ROOT / name)
        self._git("init", "--quiet", "--template=", "--initial-branch", "main")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "a commit")

    @property
    def commit(self) -> str:
        return self._git("rev-parse", "HEAD").strip()

    def edit(self, workflow: str, old: str, new: str) -> None:
        """Replace a passage that occurs once; act reads the files as they lie there."""
        path = self.folder / ".github" / "workflows" / workflow
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {workflow}"
        path.write_text(text.replace(old, new))

    def own(self, *names: str) -> None:
        """Have copies of these instead of links, so that what runs takes this for its root."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, self.folder / name)

    def run(
        self,
        workflow: str,
        event: str,
        payload: Mapping[str, Any],
        *,
        job: str | None = None,
        failing: Collection[str] = (),
        real: Collection[str] = (),
        rows: Sequence[Mapping[str, Any]] = ONE_ROW,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a workflow file for an event, or one `job` of it. A command that begins with one of
        `failing` fails; `python -m delivery VERB` is the real one for each verb of `real`, and
        `make TARGET` for each "make TARGET", in `environment`."""
        self._begin(failing, real, rows)
        settings = "".join(
            f"{name}={quote(value)}\n" for name, value in (environment or {}).items()
        )
        (self.state / "environment").write_text(settings)
        (self.state / "event.json").write_text(json.dumps(payload))
        command = [tool("act"), event, "--json", "--no-cache-server", "--concurrent-jobs", "2"]
        command += ["--workflows", f".github/workflows/{workflow}"]
        command += ["--platform", "ubuntu-24.04=-self-hosted"]
        command += ["--eventpath", str(self.state / "event.json")]
        for name, action in ACTIONS.items():
            if name != "actions/checkout":  # act does that one itself
                folder = STAND_INS / name.partition("/")[2]
                command += ["--local-repository", f"{name}@{action['sha']}={folder}"]
        command += ["--job", job] if job else []
        for name, value in {**SECRETS, **(secrets or {})}.items():
            command += ["--secret", f"{name}={value}"]
        for name, value in (variables or {}).items():
            command += ["--var", f"{name}={value}"]
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        jobs = _jobs(answer.stdout)
        assert jobs, f"act ran nothing: {answer.stderr}"
        return Run(answer.returncode == 0, jobs, self._commands(), answer.stdout + answer.stderr)

    def _begin(
        self, failing: Collection[str], real: Collection[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        shutil.rmtree(self.state, ignore_errors=True)
        (self.state / "artifacts").mkdir(parents=True)
        (self.state / "commands").touch()
        (self.state / "bin").mkdir()
        python = self.state / "bin" / "python"  # what the Makefile takes for that of .venv
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (self.state / "fail").write_text("".join(f"{words}\n" for words in failing))
        (self.state / "real").write_text("".join(f"{verb}\n" for verb in real))
        (self.state / "rows").write_text(json.dumps(rows))

    def _environment(self) -> dict[str, str]:
        """Without this machine's own secrets; what act keeps, it keeps in the test's folder."""
        kept = {name: os.environ[name] for name in ("LANG", "PATH") if name in os.environ}
        return {
            **kept,
            "PATH": f"{STAND_INS / 'bin'}{os.pathsep}{kept['PATH']}",
            "HOME": str(self.state),
            "XDG_CACHE_HOME": str(self.state / "cache"),
            "STAND_IN": str(self.state),
            "STAND_IN_PYTHON": sys.executable,
            "STAND_IN_MAKE": str(shutil.which("make")),
        }

    def _commands(self) -> tuple[Command, ...]:
        lines = (self.state / "commands").read_text().splitlines()
        parts = [line.split("\t") for line in lines]
        return tuple(Command(job, words, frozenset(seen.split())) for job, words, seen in parts)

    def _git(self, *words: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        command = ["git", "-C", str(self.folder), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _jobs(log: str) -> tuple[Job, ...]:
    began: dict[str, int] = {}
    jobs = []
    for place, line in enumerate(log.splitlines()):
        said = json.loads(line) if line.startswith("{") else {}
        if "jobID" not in said:
            continue
        full = said["job"].strip()
        began.setdefault(full, place)
        if "jobResult" in said:
            parts = full.split("/")
            name = f"{parts[0]}/{said['jobID']}" if len(parts) == 3 else said["jobID"]
            jobs.append(Job(name, said["matrix"], said["jobResult"], began[full], place))
    return tuple(jobs)


def pushed(branch: str) -> dict[str, Any]:
    return {**_example("push"), "ref": f"refs/heads/{branch}"}


def pull_request() -> dict[str, Any]:
    return _example("pull_request")


def scheduled() -> dict[str, Any]:
    return {"schedule": "17 3 * * *", "repository": _example("push")["repository"]}


def dispatched(branch: str, **inputs: Any) -> dict[str, Any]:
    return {**_example("workflow_dispatch"), "ref": f"refs/heads/{branch}", "inputs": inputs}


def _example(event: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / f"{event}.json").read_text())
    return loaded
