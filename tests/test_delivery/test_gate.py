"""Production's gate passes by three facts together and refuses in every other case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from delivery import gate
from delivery.errors import DeliveryError, Refused
from delivery.forge import Forge
from delivery.http import Client
from tests.test_delivery.github_fake import (
    SHA,
    SILENCE,
    TOKEN,
    Fault,
    GitHub,
    required_reviewers,
    user,
)
from tests.test_delivery.github_schema import make

RUN = 4711
KNOWN = {"GITHUB_SHA": SHA, "GITHUB_RUN_ID": str(RUN), "GITHUB_ACTOR": "alice"}


def environment(name: str = "production", *rules: dict[str, Any]) -> dict[str, Any]:
    return make("environment", name=name, protection_rules=list(rules))


def review(
    login: str = "bob", state: str = "approved", name: str = "production", kind: str = "User"
) -> dict[str, Any]:
    return {
        "environments": [{"id": 1, "name": name}],
        "state": state,
        "user": user(login, kind),
        "comment": "",
    }


def check(
    conclusion: str | None = "success", number: int = 1, app: str = "github-actions", **more: Any
) -> dict[str, Any]:
    made = make("check-run", id=number, name="check", head_sha=SHA, conclusion=conclusion)
    return {**made, "status": "completed", "app": make("integration", slug=app), **more}


@pytest.fixture
def allowed(hub: GitHub) -> GitHub:
    """All three facts are there."""
    rule = required_reviewers([{"type": "User", "id": 7}])
    hub.environments["production"] = environment("production", rule)
    hub.runs[RUN] = make(
        "workflow-run", id=RUN, head_sha=SHA, actor=user("alice"), triggering_actor=user("alice")
    )
    hub.approvals[RUN] = [review()]
    hub.checks[SHA] = [check()]
    return hub


def ask(hub: GitHub, **changed: str) -> gate.Approval:
    known = {**hub.variables(), **KNOWN, **changed}
    client = Client(
        known["GITHUB_API_URL"],
        {"authorization": f"Bearer {TOKEN}"},
        "GitHub",
        sleep=lambda seconds: None,
        tell=lambda line: None,
        timeout_seconds=0.2,
    )
    return gate.approve("production", Forge(client, known["GITHUB_REPOSITORY"]), known)


def test_an_approved_green_commit_passes_and_the_approval_is_told(
    allowed: GitHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {**allowed.variables(), **KNOWN}.items():
        monkeypatch.setenv(name, value)
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    arguments = type("Arguments", (), {"environment": "production"})
    assert gate.run(arguments) == 0  # type: ignore[arg-type]
    assert "Approved by bob; started by alice." in page.read_text()
    assert SHA[:12] in page.read_text()
    assert allowed.writes() == []


Break = Callable[[GitHub], None]


def _set(name: str, key: Any, value: Any) -> Break:
    return lambda hub: getattr(hub, name).__setitem__(key, value)


REFUSED: dict[str, tuple[Break, str]] = {
    "no environment": (lambda hub: hub.environments.clear(), "404"),
    "no rule": (_set("environments", "production", environment()), "no required reviewers"),
    "rules not told": (
        _set("environments", "production", make("environment", name="production")),
        "no required reviewers",
    ),
    "another kind of rule": (
        _set(
            "environments",
            "production",
            environment("production", {"id": 1, "node_id": "x", "type": "branch_policy"}),
        ),
        "no required reviewers",
    ),
    "a rule without reviewers": (
        _set("environments", "production", environment("production", required_reviewers([]))),
        "no required reviewers",
    ),
    "another environment's rule": (
        _set(
            "environments",
            "production",
            environment("staging", required_reviewers([{"type": "Team", "id": 1}])),
        ),
        "asked for environment production",
    ),
    "no approval": (_set("approvals", RUN, []), "nobody approved"),
    "pending": (_set("approvals", RUN, [review(state="pending")]), "nobody approved"),
    "approved by the actor": (_set("approvals", RUN, [review("alice")]), "only alice"),
    "approved by the actor in capitals": (_set("approvals", RUN, [review("ALICE")]), "only alice"),
    "rejected": (_set("approvals", RUN, [review(state="rejected")]), "bob rejected"),
    "approved and rejected": (
        _set("approvals", RUN, [review(), review("carol", "rejected")]),
        "carol rejected",
    ),
    "approved by a robot": (
        _set("approvals", RUN, [review("release[bot]", kind="Bot")]),
        "nobody approved",
    ),
    "another environment's approval": (
        _set("approvals", RUN, [review(name="staging")]),
        "nobody approved",
    ),
    "another run's approval": (lambda hub: hub.approvals.update({1: [], RUN: []}), "nobody"),
    "the run restarted by the approver": (
        lambda hub: hub.runs[RUN].update(triggering_actor=user("bob")),
        "only alice and bob",
    ),
    "the run of another commit": (lambda hub: hub.runs[RUN].update(head_sha="0" * 40), "not of"),
    "the run unknown": (lambda hub: hub.runs.clear(), "404"),
    "no check": (_set("checks", SHA, []), "no completed check"),
    "check of another name": (_set("checks", SHA, [check(name="lint")]), "no completed check"),
    "check of another commit": (
        _set("checks", SHA, [check(head_sha="0" * 40)]),
        "no completed check",
    ),
    "check of another app": (_set("checks", SHA, [check(app="evil")]), "no completed check"),
    "check of no app": (
        lambda hub: hub.checks[SHA][0].update(app=None),
        "no completed check",
    ),
    "check running": (
        _set("checks", SHA, [check(None, status="in_progress")]),
        "no completed check",
    ),
    "check red": (_set("checks", SHA, [check("failure")]), "ended as 'failure'"),
    "check skipped": (_set("checks", SHA, [check("skipped")]), "ended as 'skipped'"),
    "check red after green": (
        _set("checks", SHA, [check("failure", 2), check("success", 1)]),
        "ended as 'failure'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_where_a_fact_is_missing(allowed: GitHub, case: str) -> None:
    break_it, reason = REFUSED[case]
    break_it(allowed)
    with pytest.raises(Refused, match=reason) as refused:
        ask(allowed)
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)


QUESTIONS = ["environments/production$", f"runs/{RUN}$", "approvals$", "check-runs$"]
ANSWERS = {
    "401": Fault("GET", "", 401, {"message": "Bad credentials"}),
    "403": Fault("GET", "", 403, {"message": "Resource not accessible by integration"}),
    "404": Fault("GET", "", 404, {"message": "Not Found"}),
    "500": Fault("GET", "", 502, {"message": "Server Error"}),
    "limit": Fault("GET", "", 403, {"message": "x"}, {"x-ratelimit-remaining": "0"}),
    "moved": Fault("GET", "", 301, {}, {"location": "https://elsewhere.example/"}),
    "no JSON": Fault("GET", "", 200, raw=b"<html>it works</html>"),
    "no body": Fault("GET", "", 200, raw=b""),
    "a list": Fault("GET", "", 200, [1, "x", None]),
    "a text": Fault("GET", "", 200, "approved"),
    "null": Fault("GET", "", 200, None),
    "an empty object": Fault("GET", "", 200, {}),
    "lists of nothing": Fault(
        "GET", "", 200, {"protection_rules": [None], "check_runs": None, "name": "production"}
    ),
    "silence": Fault("GET", "", body=SILENCE),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_it_refuses_where_github_does_not_answer(
    allowed: GitHub, question: str, answer: str
) -> None:
    fault = ANSWERS[answer]
    allowed.faults.append(
        Fault("GET", question, fault.status, fault.body, fault.headers, raw=fault.raw)
    )
    with pytest.raises(Refused):
        ask(allowed)


def test_it_refuses_where_nobody_listens() -> None:
    with pytest.raises(Refused, match="got no connection"):
        ask(GitHub(url="http://127.0.0.1:9"))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_it_refuses_outside_a_run(allowed: GitHub, name: str) -> None:
    with pytest.raises(DeliveryError, match=f"{name} is not set"):
        ask(allowed, **{name: ""})
    assert allowed.requests == []


def test_a_later_green_check_repairs_a_red_one_and_a_running_one_does_not_undo_it(
    allowed: GitHub,
) -> None:
    allowed.checks[SHA] = [
        check("failure", 1),
        check("success", 2),
        check(None, 3, status="queued"),
    ]
    assert ask(allowed).approvers == ("bob",)


def test_the_actors_own_approval_beside_anothers_does_no_harm(allowed: GitHub) -> None:
    allowed.approvals[RUN] = [review("alice"), review("bob")]
    assert ask(allowed).approvers == ("bob",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["approved", "production", "bob"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                *("name", "state", "user", "login", "type", "environments", "protection_rules"),
                *("reviewers", "check_runs", "conclusion", "status", "head_sha", "app", "slug"),
                *("actor", "triggering_actor"),
            ]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)
RULES = st.lists(
    st.sampled_from(
        [
            {"type": "wait_timer", "wait_timer": 5},
            {"type": "required_reviewers", "reviewers": []},
            {"type": "required_reviewers", "reviewers": [{"type": "User"}]},
        ]
    ),
    max_size=3,
)
REVIEWS = st.lists(
    st.builds(
        review,
        st.sampled_from(["alice", "Alice", "bob", "carol", ""]),
        st.sampled_from(["approved", "rejected", "pending"]),
        st.sampled_from(["production", "staging", "production-rollback"]),
        st.sampled_from(["User", "Bot", "Organization"]),
    ),
    max_size=3,
)
CHECKS = st.lists(
    st.builds(
        check,
        st.sampled_from(["success", "failure", "skipped", None]),
        st.integers(1, 9),
        st.sampled_from(["github-actions", "other"]),
        status=st.sampled_from(["completed", "queued"]),
        head_sha=st.sampled_from([SHA, "0" * 40]),
        name=st.sampled_from(["check", "lint"]),
    ),
    max_size=3,
    unique_by=lambda one: one["id"],
)
STARTED = st.fixed_dictionaries(
    {
        "head_sha": st.sampled_from([SHA, "0" * 40]),
        "actor": st.sampled_from([user("alice"), None]),
        "triggering_actor": st.sampled_from([user("bob"), user("alice"), None]),
    }
)


class Canned:
    """Answers by the end of the path, without a socket: thousands of payloads."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def get(self, *parts: str, **_: str) -> Any:
        return self.answers[{"environments": "rules"}.get(parts[0], parts[-1])]

    def pages(self, *parts: str, key: str, **_: str) -> Any:
        return iter(self.answers["checks"])


def passes(rules: Any, run: Any, reviews: Any, checks: Any) -> bool:
    canned = Canned(rules=rules, approvals=reviews, checks=checks, **{str(RUN): run})
    try:
        gate.approve("production", canned, KNOWN)  # type: ignore[arg-type]
    except Refused:
        return False
    return True


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULES, STARTED, REVIEWS, CHECKS)
def test_it_passes_exactly_with_the_three_facts(
    rules: list[dict[str, Any]],
    run: dict[str, Any],
    reviews: list[dict[str, Any]],
    checks: list[dict[str, Any]],
) -> None:
    starters = {"alice"} | {one["login"] for one in (run["actor"], run["triggering_actor"]) if one}
    ours = [one for one in reviews if one["environments"][0]["name"] == "production"]
    agreed = [
        one
        for one in ours
        if one["state"] == "approved"
        and one["user"]["type"] == "User"
        and one["user"]["login"].casefold() not in starters | {""}
    ]
    done = [
        one
        for one in checks
        if (one["name"], one["status"], one["head_sha"]) == ("check", "completed", SHA)
        and one["app"]["slug"] == "github-actions"
    ]
    facts = (
        any(rule.get("reviewers") for rule in rules)
        and run["head_sha"] == SHA
        and bool(agreed)
        and all(one["state"] != "rejected" for one in ours)
        and bool(done)
        and max(done, key=lambda one: int(one["id"]))["conclusion"] == "success"
    )
    shown = {"name": "production", "protection_rules": rules}
    assert passes(shown, run, reviews, checks) == facts


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.integers(0, 2), JSON)
def test_no_odd_payload_passes_and_none_breaks_the_line(place: int, odd: Any) -> None:
    good: list[Any] = [
        environment("production", required_reviewers([{"type": "User", "id": 7}])),
        {"head_sha": SHA, "actor": user("alice"), "triggering_actor": None},
        [review()],
    ]
    assert passes(*good, [check()])
    good[place] = odd
    assert not passes(*good, [check()])
