"""What the workflow files must hold, above all what act ignores: environments, concurrency,
permissions, pins. `problems(files)` reads text alone, so a test can show that each rule bites.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Files = Mapping[str, str]
"""Path from the root of the repository -> text."""

CI = ".github/workflows/ci.yml"
STAGING = ".github/workflows/deploy-staging.yml"
PRODUCTION = ".github/workflows/deploy-production.yml"
ROLLBACK = ".github/workflows/rollback.yml"
TABLE = ".github/actions.json"

EVENTS = {
    CI: {"push", "pull_request", "schedule", "workflow_dispatch"},
    STAGING: {"workflow_call", "workflow_dispatch"},
    PRODUCTION: {"workflow_call", "workflow_dispatch"},
    ROLLBACK: {"workflow_dispatch"},
}
READ = {"contents": "read"}
GATE = {"actions": "read", "checks": "read", **READ}
MORE_THAN_READING: dict[tuple[str, str], dict[str, str]] = {
    (CI, "issues"): {"issues": "write", **READ},
    (CI, "check"): {},
    (CI, "publish"): {"packages": "write", **READ},
    (CI, "attest"): {"attestations": "write", "id-token": "write"},
    (CI, "deploy-staging"): GATE,
    (CI, "deploy-production"): GATE,
    (STAGING, "deploy"): GATE,
    (PRODUCTION, "production"): GATE,
    (PRODUCTION, "report"): GATE,
}
KEY = {"HEROKU_API_KEY", "KUBE_TOKEN"}
VISIT = {"SMOKE_EMAIL", "SMOKE_PASSWORD"}
TELL = {"PAGERDUTY_KEY", "SLACK_WEBHOOK", "SMTP_URL"}
SECRETS: dict[tuple[str, str], set[str]] = {
    (CI, "security"): {"SECURITY_TOKEN", "SNYK_TOKEN", "TRIVY_TOKEN"},
    (CI, "publish"): {"KUBE_REGISTRY_TOKEN"},
    (CI, "deploy-staging"): KEY | VISIT | TELL,
    (CI, "deploy-production"): KEY | VISIT | TELL,
    (CI, "report"): TELL,
    (STAGING, "deploy"): KEY | VISIT,
    (STAGING, "integration"): VISIT,
    (STAGING, "report"): TELL,
    (PRODUCTION, "stage"): KEY | VISIT,
    (PRODUCTION, "integration"): VISIT,
    (PRODUCTION, "production"): KEY | VISIT | TELL,
    (PRODUCTION, "report"): TELL,
    (ROLLBACK, "rollback"): KEY | VISIT | TELL,
}
ENVIRONMENTS = {
    (STAGING, "deploy"): "${{ github.event_name == 'workflow_dispatch'"
    " && 'staging-manual' || 'staging' }}",
    (PRODUCTION, "stage"): "staging",
    (PRODUCTION, "production"): "production",
    (ROLLBACK, "rollback"): "production-rollback",
}
GROUPS = {
    (STAGING, "deploy"): "deploy-staging",
    (PRODUCTION, "stage"): "deploy-staging",
    (PRODUCTION, "production"): "deploy-production",
}
PUSHED = "github.event_name == 'push'"
AFTER = {
    "publish": ("check", PUSHED),
    "deploy-staging": ("publish", f"{PUSHED} && github.ref == 'refs/heads/develop'"),
    "deploy-production": ("publish", f"{PUSHED} && github.ref == 'refs/heads/main'"),
}
"""What comes after `check`: the job it waits for, and when. None has a status of its own in its
condition, and none is skipped on a push: GitHub skips what comes after a skipped job, however far,
in called workflows too (actions/runner#2205), which act does not."""
NO_GATES = {"check", "issues", "attest", "report", *AFTER}
LONGEST_MINUTES = 40
USES = re.compile(r"^ *(?:- )?uses: (?P<what>\S+)(?: # (?P<version>v\S+))?$", re.MULTILINE)


def read_files(root: Path) -> dict[str, str]:
    """Workflows, actions of our own, and the table of other people's."""
    patterns = ("workflows/*.y*ml", "actions/*/action.y*ml", "actions.json")
    paths = [path for pattern in patterns for path in (root / ".github").glob(pattern)]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def problems(files: Files) -> list[str]:
    """One line for each thing that is not as it must be; begins with the name of the rule."""
    found = list(pins(files))
    workflows = {path: yaml.safe_load(text) for path, text in files.items() if "workflows" in path}
    if set(workflows) != set(EVENTS):
        found.append(f"events: {sorted(set(workflows) ^ set(EVENTS))} is not in the table")
    for path, workflow in workflows.items():
        found += whole(path, workflow)
        for name, job in workflow["jobs"].items():
            found += [f"{line} ({path}, {name})" for line in one_job(path, name, job)]
    found += gates(workflows[CI])
    found += deployments(workflows)
    return found


def pins(files: Files) -> Iterator[str]:
    table = json.loads(files[TABLE])
    used = set()
    for path, text in files.items():
        for match in USES.finditer(text):
            what, version = match["what"], match["version"]
            if what.startswith("./"):
                continue
            name, _, sha = what.partition("@")
            used.add(name)
            if not re.fullmatch("[0-9a-f]{40}", sha):
                yield f"pins: {what} in {path} is not pinned to a commit"
            if table.get(name) != {"version": version, "sha": sha}:
                yield f"pins: {what} {version} in {path} is not the one of {TABLE}"
        if path != TABLE and len(USES.findall(text)) != len(re.findall(r"\buses:", text)):
            yield f"pins: a `uses` of {path} is not readable"
    if used != set(table):
        yield f"pins: {sorted(set(table) ^ used)} of {TABLE} is not used"


def whole(path: str, workflow: dict[Any, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield f"permissions: {path} gives its jobs some unasked"
    if set(workflow[True]) != EVENTS.get(path):  # YAML reads `on` as true
        yield f"events: {path} starts on {sorted(workflow[True])}"
    if path != CI and "concurrency" in workflow and workflow["concurrency"]["cancel-in-progress"]:
        yield f"concurrency: {path} cancels"
    if "defaults" in workflow:
        yield f"scripts: {path} changes the shell"


def one_job(path: str, name: str, job: dict[str, Any]) -> Iterator[str]:
    key = (path, name)
    allowed = MORE_THAN_READING.get(key, READ)
    if job.get("permissions", {}) != allowed:
        yield f"permissions: {job.get('permissions')}, not {allowed}"
    seen = set(re.findall(r"secrets\.(\w+)", json.dumps(job)))
    if seen != SECRETS.get(key, set()) or job.get("secrets") == "inherit":
        yield f"secrets: sees {sorted(seen)}"
    environment = job.get("environment")
    named = environment.get("name") if isinstance(environment, dict) else environment
    if named != ENVIRONMENTS.get(key):
        yield f"environment: {named}"
    wanted = {"group": GROUPS[key], "cancel-in-progress": False} if key in GROUPS else None
    if job.get("concurrency") != wanted:
        yield f"concurrency: {job.get('concurrency')}"
    if "steps" in job:
        if job.get("runs-on") != "ubuntu-24.04":
            yield f"runner: {job.get('runs-on')}"
        if not 1 <= job.get("timeout-minutes", 0) <= LONGEST_MINUTES:
            yield f"timeout: {job.get('timeout-minutes')}"
        yield from steps(job["steps"], holds_key=bool(KEY & seen))


def steps(listed: list[dict[str, Any]], *, holds_key: bool) -> Iterator[str]:
    for step in listed:
        script, used = step.get("run", ""), step.get("uses", "")
        if "${{" in script:
            yield f"scripts: an expression is pasted into {script!r}"
        if re.search(r"GITHUB_(ENV|PATH)", script):
            yield f"scripts: {script!r} changes what later steps run"
        if used.startswith("actions/checkout@") and step.get("with") != {
            "persist-credentials": False
        }:
            yield "checkout: leaves the token in the workspace"
        if holds_key and ("make " in script or "set-up" in used or "/cache" in used):
            yield f"isolation: {script or used!r} beside a platform's key"


def gates(ci: dict[Any, Any]) -> Iterator[str]:
    """`check` waits for every gate, none of which can be skipped, and deployments for `check`."""
    jobs = ci["jobs"]
    if set(jobs["check"]["needs"]) != set(jobs) - NO_GATES:
        yield f"gates: check needs {jobs['check']['needs']}"
    if jobs["check"].get("if") != "always()":
        yield "gates: check is skipped, which branch protection takes for green"
    for name in set(jobs) - NO_GATES:
        if "if" in jobs[name] or "continue-on-error" in jobs[name]:
            yield f"gates: {name} may be skipped or may fail"
    for name, (needs, condition) in AFTER.items():
        if jobs[name].get("needs") != needs or jobs[name].get("if") != condition:
            yield f"gates: {name} runs on {jobs[name].get('if')} after {jobs[name].get('needs')}"
    grouped = ci["concurrency"]
    if "github.run_id" not in grouped["group"] or "github.ref" in grouped["group"]:
        yield "concurrency: a push waits for, or replaces, another one of its branch"
    if grouped["cancel-in-progress"] != "${{ github.event_name == 'pull_request' }}":
        yield "concurrency: CI cancels more than pull requests"


def deployments(workflows: Mapping[str, dict[Any, Any]]) -> Iterator[str]:
    """Nothing that holds production's key comes before the gate has passed."""
    job = workflows[PRODUCTION]["jobs"]["production"]
    if job.get("needs") != ["stage", "integration"] or "if" in job:
        yield f"gates: production runs after {job.get('needs')} if {job.get('if')}"
    scripts = [(step.get("run", ""), json.dumps(step)) for step in job["steps"]]
    places = [at for at, (script, _) in enumerate(scripts) if script.endswith(" gate production")]
    keyed = [at for at, (_, text) in enumerate(scripts) if "secrets." in text]
    if len(places) != 1 or min(keyed) < places[0] or "if" in job["steps"][places[0]]:
        yield "gates: production's gate is not before every step with a secret"
    manual = [
        step
        for step in workflows[STAGING]["jobs"]["deploy"]["steps"]
        if step.get("run", "").endswith(" gate staging-manual")
    ]
    if len(manual) != 1 or manual[0].get("if") != "github.event_name == 'workflow_dispatch'":
        yield "gates: staging by hand does not ask its gate"
    for path in (STAGING, PRODUCTION):
        report = workflows[path]["jobs"]["report"]
        if report.get("if") != "always()":
            yield f"gates: {path} does not report what failed"
