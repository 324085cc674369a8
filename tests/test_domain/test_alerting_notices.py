"""Who is told, when, and how often; who is not; and that each who was told hears the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mltrading.domain.alerting.rules import (
    DEFAULT_RULES,
    DELIVERY_FAILED,
    RULE_BROKEN,
    Condition,
    dedup_key,
    rule,
)
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import Finding, State, Value
from mltrading.domain.alerting.turns import Evaluation
from mltrading.errors import InvalidSilence
from mltrading.utils.message import Destination
from tests.test_domain.alerts_made import (
    DESTINATIONS,
    INFO,
    MAIL,
    PAGER,
    SLACK,
    START,
    TEAM,
    Simulation,
    between,
    true,
)

pytestmark = pytest.mark.smoke

HOUR = 3600.0


def silence(text: str, seconds: float = 1800, begins: float = 0) -> Silence:
    since = START + timedelta(seconds=begins)
    return Silence(
        "7", parse_matchers(text), "console", "why", since, since + timedelta(seconds=seconds)
    )


def test_a_warning_sends_nothing_at_14_59_and_has_sent_by_16_00() -> None:
    # True from a moment after an evaluation on: the worst moment to begin.
    world = Simulation()
    world.run(between("MemoryHigh", (0.001, HOUR)), until=14 * 60 + 59)
    assert world.sent == []
    world.run(between("MemoryHigh", (0.001, HOUR)), until=16 * 60)
    [(at, title)] = world.told(TEAM)
    assert 15 * 60 <= at <= 16 * 60
    assert (at, title) == (945, "production MemoryHigh: MemoryHigh said")


def test_a_warning_that_was_false_once_sends_nothing_for_another_15_minutes() -> None:
    world = Simulation()
    world.run(between("MemoryHigh", (0, 890), (905, 3000)), until=1800)
    assert world.sent == []
    world.run(between("MemoryHigh", (0, 890), (905, 3000)), until=2000)
    assert [at for at, _ in world.told()] == [905 - 905 % 15 + 15 + 900 + 30]


def test_critical_is_told_to_each_of_its_channels_at_once() -> None:
    world = Simulation()
    world.turn()
    world.pass_seconds(15)
    queued = world.turn({"ErrorRateHigh": Value.TRUE})
    assert [one.destination for one in queued] == [SLACK, MAIL, PAGER]
    assert {one.message.key for one in queued} == {dedup_key("production", "ErrorRateHigh")}
    assert len({one.message.id for one in queued}) == 3
    for one in queued:
        assert one.message.severity == "critical"
        assert one.message.title == "production ErrorRateHigh: ErrorRateHigh said"
        assert one.message.text.splitlines() == [
            "since 2026-03-02 12:00:15 UTC: ErrorRateHigh said",
            "What to do: docs/runbook.md#errorratehigh",
            f"Message {one.message.id}",
        ]


def test_the_end_is_told_after_2_minutes_of_false_with_the_same_key_to_those_who_heard() -> None:
    world = Simulation()
    world.run(between("ErrorRateHigh", (0, 61)), until=400)
    begun = [one for at, one in world.sent if at == 0]
    ended = [one for at, one in world.sent if at > 0]
    assert [at for at, _ in world.sent] == [0, 0, 0, 195, 195, 195]
    assert [one.destination for one in ended] == [one.destination for one in begun]
    for before, after in zip(begun, ended, strict=True):
        assert after.message.resolved
        assert after.message.key == before.message.key
        assert after.message.id != before.message.id
        assert after.opened_id == before.message.id
        assert after.message.title == "production ErrorRateHigh: over after 1 min"


def test_what_is_over_before_anybody_was_told_stays_unsaid() -> None:
    world = Simulation()
    world.run(between("MemoryHigh", (0, 910)), until=2000)  # false again in the 30 s of group_wait
    assert world.sent == []
    assert [one.what for one in world.events] == ["fired", "resolved"]


def test_a_flicker_within_2_minutes_is_one_incident() -> None:
    world = Simulation()
    world.run(between("ErrorRateHigh", (0, 60), (120, 180), (240, 300)), until=500)
    assert [title for _, title in world.told(SLACK)] == [
        "production ErrorRateHigh: ErrorRateHigh said",
        "resolved production ErrorRateHigh: over after 5 min",
    ]


def test_the_next_incident_is_told_at_once_again() -> None:
    world = Simulation()
    world.run(between("ErrorRateHigh", (0, 15), (150, 165)), until=400)
    assert [at for at, _ in world.told(SLACK)] == [0, 135, 150, 285]


def test_critical_is_repeated_each_hour_and_never_to_pagerduty() -> None:
    world = Simulation()
    world.run(true("ErrorRateHigh"), until=3 * HOUR)
    assert [at for at, _ in world.told(SLACK)] == [0, HOUR, 2 * HOUR, 3 * HOUR]
    assert [at for at, _ in world.told(MAIL)] == [0, HOUR, 2 * HOUR, 3 * HOUR]
    assert [at for at, _ in world.told(PAGER)] == [0]
    assert world.told(SLACK)[1][1] == "production ErrorRateHigh goes on: ErrorRateHigh said"


def test_a_warning_is_repeated_every_4_hours() -> None:
    world = Simulation()
    world.run(true("MemoryHigh"), until=10 * HOUR)
    assert [at for at, _ in world.told(TEAM)] == [930, 930 + 4 * HOUR, 930 + 8 * HOUR]


def test_nothing_is_repeated_to_who_has_not_even_heard_the_last() -> None:
    world = Simulation()
    world.turn({"ErrorRateHigh": Value.TRUE})
    key = dedup_key("production", "ErrorRateHigh")
    world.book = replace(world.book, waiting=frozenset({(key, SLACK)}))
    for _ in range(240):
        world.pass_seconds(15)
        world.turn({"ErrorRateHigh": Value.TRUE})
    assert len(world.told(SLACK)) == 1
    assert len(world.told(MAIL)) == 2


def test_app_down_mutes_everything_and_that_is_recorded() -> None:
    world = Simulation()
    down = dict.fromkeys(("AppDown", "DatabaseDown", "ErrorRateHigh"), Value.TRUE)
    world.turn(down)
    assert {one.message.title.split()[1] for _, one in world.sent} == {"AppDown:"}
    assert [(one.rule, one.what, one.said) for one in world.events if one.what == "muted"] == [
        ("DatabaseDown", "muted", "AppDown"),
        ("ErrorRateHigh", "muted", "AppDown"),
    ]
    world.pass_seconds(15)
    world.turn(down)
    assert [one.what for one in world.events].count("muted") == 2  # once an incident
    assert world.alert("DatabaseDown").muted_by == "AppDown"
    assert world.alert("DatabaseDown").open  # muted is the sending, not the state


def test_database_down_mutes_errors_and_latency_for_as_long_as_their_window_holds_the_outage() -> (
    None
):
    world = Simulation()

    def outage(at: float) -> dict[str, Value]:
        found = {}
        if at < 120:
            found["DatabaseDown"] = Value.TRUE
        if at < 120 + 300:  # the window of 5 minutes still holds what failed
            found |= {"ErrorRateHigh": Value.TRUE, "ResponseSlow": Value.TRUE}
        return found

    world.run(outage, until=HOUR)
    assert world.told()
    assert all("DatabaseDown" in title for _, title in world.told())
    assert world.alert("ErrorRateHigh").state is State.RESOLVED


def test_what_goes_on_after_the_muter_ended_is_told() -> None:
    world = Simulation()
    world.run(
        lambda at: {
            "ErrorRateHigh": Value.TRUE,
            "DatabaseDown": Value.TRUE if at < 120 else Value.FALSE,
        },
        until=HOUR / 2,
    )
    [(at, title)] = [(at, title) for at, title in world.told(SLACK) if "ErrorRate" in title]
    assert title == "production ErrorRateHigh: ErrorRateHigh said"
    assert 120 + 300 < at <= 120 + 300 + 60
    assert "unmuted" in {one.what for one in world.events}


def test_more_than_5_percent_mutes_more_than_1_percent() -> None:
    world = Simulation()
    world.run(true("ErrorRateHigh", "ErrorRateRaised"), until=1200)
    assert world.told(TEAM) == []
    assert world.alert("ErrorRateRaised").muted_by == "ErrorRateHigh"


def test_one_that_is_ending_is_not_told_when_its_muter_ends_first() -> None:
    world = Simulation()
    # The database answers again a moment later than the application.
    world.run(
        lambda at: {
            name: Value.TRUE
            for name, until in (("AppDown", 60), ("DatabaseDown", 90))
            if at < until
        },
        until=900,
    )
    assert all("AppDown" in title for _, title in world.told())


def test_a_silence_mutes_the_sending_and_not_the_state() -> None:
    world = Simulation()
    world.silence_with(silence("ErrorRateHigh", seconds=600))
    world.run(true("ErrorRateHigh"), until=590)
    assert world.sent == []
    assert world.alert("ErrorRateHigh").state is State.FIRING
    assert world.alert("ErrorRateHigh").muted_by == "silence 7"
    world.run(true("ErrorRateHigh"), until=700)
    assert [at for at, _ in world.told(PAGER)] == [600]  # it ended, and the alert goes on


def test_an_end_is_told_even_when_silenced_because_an_incident_would_stay_open() -> None:
    world = Simulation()
    world.turn({"ErrorRateHigh": Value.TRUE})
    world.silence_with(silence("ErrorRateHigh", seconds=HOUR))
    world.pass_seconds(15)
    world.run(lambda _: {}, until=300)
    assert [title[:8] for _, title in world.told(PAGER)] == ["producti", "resolved"]


def test_a_silenced_alert_is_not_repeated() -> None:
    world = Simulation()
    world.turn({"ErrorRateHigh": Value.TRUE})
    world.silence_with(silence("severity=critical", seconds=3 * HOUR))
    world.pass_seconds(15)
    world.run(true("ErrorRateHigh"), until=2.5 * HOUR)
    assert len(world.told(SLACK)) == 1


BROKEN_INSTANCES = rule("MemoryHigh", "critical", Condition("memory", True, 0.8))


def instances(*names: str) -> Evaluation:
    return Evaluation(
        BROKEN_INSTANCES,
        {(("instance", name),): Finding(Value.TRUE, f"{name} is full") for name in names},
    )


def test_alerts_of_a_rule_come_together_to_people_and_each_for_itself_to_machines() -> None:
    world = Simulation(rules=[BROKEN_INSTANCES])
    world.turn(None, instances("web.1", "web.2"), only="none")
    assert [one.destination for _, one in world.sent] == [SLACK, MAIL, PAGER, PAGER]
    people = world.sent[0][1].message
    assert people.title == "production MemoryHigh: 2 alerts"
    assert people.text.splitlines()[:2] == [
        "instance web.1, since 2026-03-02 12:00:00 UTC: web.1 is full",
        "instance web.2, since 2026-03-02 12:00:00 UTC: web.2 is full",
    ]
    pages = [one.message for _, one in world.sent if one.destination == PAGER]
    assert [one.title for one in pages] == [
        "production MemoryHigh: web.1 is full",
        "production MemoryHigh: web.2 is full",
    ]
    assert len({one.key for one in pages}) == 2


def test_changes_of_an_open_group_wait_5_minutes_and_its_end_does_not() -> None:
    world = Simulation(rules=[BROKEN_INSTANCES])
    for step in range(100):
        here = ["web.1"] if step < 60 else []
        if step >= 4:
            here.append("web.2")
        world.turn(None, instances(*(here if step < 80 else ())), only="none")
        world.pass_seconds(15)
    assert world.told(SLACK) == [
        (0, "production MemoryHigh: web.1 is full"),
        (300, "production MemoryHigh: 2 go on, 0 over"),
        (1020, "production MemoryHigh: 1 go on, 1 over"),
        (1320, "resolved production MemoryHigh: over after 19 min"),
    ]
    assert [at for at, _ in world.told(PAGER)] == [0, 60, 1020, 1320]


def test_a_rule_made_critical_while_it_fires_reaches_the_critical_channels_too() -> None:
    world = Simulation(rules=[rule("MemoryHigh", "warning", Condition("memory", True, 0.8))])
    world.run(true("MemoryHigh"), until=1000)
    world.rules = [rule("MemoryHigh", "critical", Condition("memory", True, 0.8))]
    world.run(true("MemoryHigh"), until=1100)
    world.run(lambda _: {}, until=1400)
    told = [(one.destination, one.message.resolved) for _, one in world.sent]
    assert told == [
        (TEAM, False),
        *((one, False) for one in (SLACK, MAIL, PAGER)),
        *((one, True) for one in (TEAM, SLACK, MAIL, PAGER)),
    ]
    assert len({one.message.key for _, one in world.sent}) == 1


def test_a_rule_taken_out_while_it_fires_ends_where_it_was_told() -> None:
    world = Simulation()
    world.turn({"ErrorRateHigh": Value.TRUE})
    world.rules = [one for one in DEFAULT_RULES if one.name != "ErrorRateHigh"]
    world.pass_seconds(15)
    queued = world.turn()
    assert [(one.destination, one.message.resolved) for one in queued] == [
        (one, True) for one in (SLACK, MAIL, PAGER)
    ]
    assert "its rule was taken out of alerting.yml" in queued[0].message.text


def test_a_rule_that_errs_three_times_in_a_row_is_told_as_broken() -> None:
    world = Simulation()
    for _ in range(2):
        world.turn({"MemoryHigh": Value.ERROR})
        world.pass_seconds(15)
    assert world.events == []
    world.run(lambda at: {"MemoryHigh": Value.ERROR} if at < 300 else {}, until=600)
    assert world.told(TEAM) == [
        (
            60,
            "production RuleBroken: MemoryHigh can not be evaluated: MemoryHigh said",
        ),
        (420, "resolved production RuleBroken: over after 4 min"),
    ]


def test_a_broken_rule_that_is_taken_out_is_broken_no_more() -> None:
    world = Simulation()
    world.run(lambda _: {"MemoryHigh": Value.ERROR}, until=120)
    assert world.alert("RuleBroken", (("rule", "MemoryHigh"),)).open
    world.rules = [one for one in DEFAULT_RULES if one.name != "MemoryHigh"]
    world.run(lambda _: {}, until=300)
    assert world.alert("RuleBroken", (("rule", "MemoryHigh"),)).state is State.RESOLVED


def test_while_only_some_rules_are_tried_the_others_stay_as_they_are() -> None:
    world = Simulation()
    world.run(lambda _: {"MemoryHigh": Value.ERROR}, until=120)
    before = world.alert("MemoryHigh")
    for _ in range(20):
        world.pass_seconds(15)
        world.turn({}, only="AppDown")
    assert world.alert("MemoryHigh") == before
    assert world.alert("RuleBroken", (("rule", "MemoryHigh"),)).open
    assert world.alert(RULE_BROKEN.name, (("rule", "MemoryHigh"),)).said


def failing(destination: Destination) -> Evaluation:
    return Evaluation(
        DELIVERY_FAILED, {(("channel", destination.name),): Finding(Value.TRUE, "1 message lost")}
    )


@pytest.mark.parametrize(
    ("broken", "told"),
    [(SLACK, [MAIL, PAGER]), (PAGER, [SLACK, MAIL]), (TEAM, [SLACK, MAIL, PAGER])],
)
def test_a_channel_that_fails_is_told_of_over_others(
    broken: Destination, told: list[Destination]
) -> None:
    world = Simulation()
    queued = world.turn({}, failing(broken))
    assert [one.destination for one in queued] == told
    assert f"channel {broken.name}, since" in queued[0].message.text


def test_where_a_severity_has_no_other_channel_that_of_another_tells() -> None:
    world = Simulation(destinations={**DESTINATIONS, "critical": (SLACK,)})
    assert [one.destination for one in world.turn({}, failing(SLACK))] == [TEAM]
    alone = Simulation(destinations={"critical": (SLACK,), "warning": (SLACK,), "info": (INFO,)})
    assert [one.destination for one in alone.turn({}, failing(SLACK))] == [INFO]


def test_a_failing_channel_is_told_of_even_while_the_application_is_down() -> None:
    world = Simulation()
    queued = world.turn({"AppDown": Value.TRUE}, failing(PAGER))
    assert {one.message.title.split()[1] for one in queued} == {"AppDown:", "DeliveryFailed:"}


@pytest.mark.parametrize(
    ("text", "matched", "not_matched"),
    [
        ("MemoryHigh", "MemoryHigh", "CpuHigh"),
        ("rule=Error*", "ErrorRateRaised", "MemoryHigh"),
        ("rule!=AppDown, severity=critical", "DatabaseDown", "AppDown"),
        ("severity!=critical", "CpuHigh", "AppDown"),
    ],
)
def test_a_silence_matches_what_it_says(text: str, matched: str, not_matched: str) -> None:
    facts = {one.name: {"rule": one.name, "severity": one.severity} for one in DEFAULT_RULES}
    one = silence(text)
    assert one.mutes(facts[matched], START)
    assert not one.mutes(facts[not_matched], START)
    assert not one.mutes(facts[matched], START + timedelta(seconds=1800))
    assert not one.mutes(facts[matched], START - timedelta(seconds=1))
    assert parse_matchers(one.text) == one.matchers


@pytest.mark.parametrize("text", ["", " , ", "owner=me", "rule=", "rule~x", "a b", "=x", "rule=\n"])
def test_a_matcher_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSilence):
        parse_matchers(text)
