"""`python -m delivery gate production`: stop here unless somebody else agreed to this deployment.

It stands before a deployment to staging by hand (staging-manual) as well. GitHub's own gate, an
environment with required reviewers, is silently absent where the plan does not have it or the rule
was removed. So the first step of the job that holds the keys asks GitHub for three facts, and
anything but these three ends it before anything is touched:

1. the environment has a rule `required_reviewers` that names somebody;
2. this run, of this commit, has an approval for this environment by a person other than the one who
   started (or restarted) the run, and no rejection;
3. the newest completed check named `check`, by GitHub Actions itself, is green on this commit.

The author of the commit may approve: on a protected branch somebody else has reviewed the change
and the one who merged it started the run, so two people still agreed to it; and a team of two could
not release otherwise. An approval lacks the attempt it was given for, so it holds for a run started
again too: GitHub asks its reviewers anew, and it is the same commit.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from delivery.errors import PlatformError, Refused
from delivery.forge import Forge, Summary, cell, need, odd, setting

Environment = Literal["production", "staging-manual"]
CHECK = "check"
CHECK_APP = "github-actions"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who agreed to the release of which commit."""

    environment: str
    commit: str
    approvers: tuple[str, ...]
    actors: tuple[str, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", choices=get_args(Environment))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    approval = approve(arguments.environment)
    summary = Summary(
        [
            f"### {approval.environment} approved",
            "",
            f"Commit `{approval.commit[:12]}`, its `{CHECK}` is green."
            f" Approved by {_names(approval.approvers)}; started by {_names(approval.actors)}.",
        ]
    )
    summary.write()
    return 0


def approve(
    environment: Environment,
    forge: Forge | None = None,
    known: Mapping[str, str] | None = None,
) -> Approval:
    """The approval, or Refused with the reason and the way out: also when GitHub can not be
    asked, or answers what its API does not promise."""
    commit = setting("GITHUB_SHA", known)
    run_id = setting("GITHUB_RUN_ID", known)
    actor = setting("GITHUB_ACTOR", known)
    forge = forge or Forge.from_environment(known)
    try:
        require_reviewers(forge.get("environments", environment), environment)
        actors = {actor, *run_actors(forge.get("actions", "runs", run_id), commit)}
        approvers = require_approval(
            forge.get("actions", "runs", run_id, "approvals"), environment, actors
        )
        checks = forge.pages(
            "commits", commit, "check-runs", key="check_runs", check_name=CHECK, filter="latest"
        )
        require_check(list(checks), commit)
    except PlatformError as error:
        raise Refused(f"{environment} stays as it is, approval can not be shown: {error}") from None
    return Approval(environment, commit, tuple(sorted(approvers)), tuple(sorted(actors)))


def require_reviewers(answer: Any, environment: str) -> None:
    """The environment's rule names at least one reviewer."""
    if need(answer, "name", str) != environment:
        raise odd(f"asked for environment {environment}, got {answer['name']!r}")
    for rule in _objects(answer, "protection_rules") if "protection_rules" in answer else []:
        if rule.get("type") == "required_reviewers" and _objects(rule, "reviewers"):
            return
    raise Refused(
        f"the environment {environment} has no required reviewers, so nobody was asked; name them"
        " with `python -m delivery settings apply` (a private repository needs GitHub Enterprise)"
    )


def run_actors(answer: Any, commit: str) -> set[str]:
    """Who started this run, first and again; the run has to be one of this commit."""
    if need(answer, "head_sha", str) != commit:
        raise Refused(f"the run is of commit {answer['head_sha'][:12]}, not of {commit[:12]}")
    return {
        need(need(answer, who, dict), "login", str)
        for who in ("actor", "triggering_actor")
        if answer.get(who) is not None
    }


def require_approval(answer: Any, environment: str, actors: set[str]) -> set[str]:
    """Those who approved, other than `actors`; a rejection outweighs every approval."""
    if not isinstance(answer, list):
        raise odd("the approvals are no list")
    own = {actor.casefold() for actor in actors}
    approvers: set[str] = set()
    by_actor = False
    for review in answer:
        if environment not in [need(one, "name", str) for one in _objects(review, "environments")]:
            continue
        user = need(review, "user", dict)
        name, state = need(user, "login", str), need(review, "state", str)
        if state == "rejected":
            raise Refused(f"{name} rejected this run for {environment}; a new run asks again")
        if state != "approved" or need(user, "type", str) != "User" or not name:
            continue
        by_actor = by_actor or name.casefold() in own
        if name.casefold() not in own:
            approvers.add(name)
    if approvers:
        return approvers
    if by_actor:
        raise Refused(
            f"only {' and '.join(sorted(actors))}, who started this run, approved {environment};"
            " another reviewer has to (Review deployments, on the page of the run)"
        )
    raise Refused(
        f"nobody approved this run for {environment}; a reviewer does under Review deployments, on"
        " the page of the run"
    )


def require_check(runs: list[dict[str, Any]], commit: str) -> None:
    """The newest completed `check` of GitHub Actions on the commit is a success."""
    done = [
        one
        for one in runs
        if one.get("name") == CHECK
        and need(one, "head_sha", str) == commit
        and isinstance(one.get("app"), dict)
        and one["app"].get("slug") == CHECK_APP
        and one.get("status") == "completed"
    ]
    if not done:
        raise Refused(
            f"commit {commit[:12]} has no completed check `{CHECK}`; push it, or dispatch ci.yml on"
            " its branch, and wait until it is green"
        )
    newest = max(done, key=lambda one: need(one, "id", int))
    if newest.get("conclusion") != "success":
        raise Refused(
            f"the check `{CHECK}` of commit {commit[:12]} ended as {newest.get('conclusion')!r};"
            " repair what is red first"
        )


def _objects(body: Any, name: str) -> list[dict[str, Any]]:
    listed = need(body, name, list)
    if not all(isinstance(one, dict) for one in listed):
        raise odd(f"{name!r} holds something that is no object")
    return listed


def _names(names: tuple[str, ...]) -> str:
    return " and ".join(cell(name) for name in names)
