"""Matchers that are made from an alert match it, whatever its labels hold; spans are read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltrading.domain.alerting.silences import (
    matchers_of,
    parse_matchers,
    refuse_unknown,
    span_seconds,
)
from mltrading.errors import InvalidSilence

pytestmark = pytest.mark.smoke


@given(channel=st.text(max_size=300), rule=st.from_regex(r"[A-Z][A-Za-z0-9]{0,40}", fullmatch=True))
@example(channel="slack #a,b*[c]?", rule="DeliveryFailed")
@example(channel=" webhook https://x.example/\n", rule="DeliveryFailed")
@example(channel="x" * 300, rule="DeliveryFailed")
@example(channel="\N{NO-BREAK SPACE}", rule="X")
def test_what_is_made_from_an_alert_matches_it(channel: str, rule: str) -> None:
    facts = {"rule": rule, "severity": "critical", "channel": channel}
    parsed = parse_matchers(matchers_of(facts))
    assert all(one.matches(facts) for one in parsed)
    assert not all(one.matches({**facts, "rule": f"{rule}Not"}) for one in parsed)
    assert all(one.matches({**facts, "severity": "warning"}) for one in parsed)


def test_what_has_no_awkward_letter_is_taken_as_it_is() -> None:
    facts = {"rule": "DeliveryFailed", "severity": "critical", "channel": "slack #alerts"}
    assert matchers_of(facts) == "rule=DeliveryFailed,channel=slack #alerts"
    assert matchers_of({"rule": "AppDown", "severity": "critical"}) == "rule=AppDown"
    # RuleBroken names the rule that is broken in a label of its own, which no silence knows.
    assert matchers_of({"rule": "RuleBroken", "place": "x"}) == "rule=RuleBroken"


def test_a_rule_that_there_is_not_is_refused_with_the_one_that_is_meant() -> None:
    rules = ("DatabaseDown", "AppDown")
    with pytest.raises(InvalidSilence, match="no rule 'DatabseDown'; is it DatabaseDown"):
        refuse_unknown(parse_matchers("AppDown,DatabseDown"), rules)
    with pytest.raises(InvalidSilence, match="no rule 'Nonsense'$"):
        refuse_unknown(parse_matchers("rule!=Nonsense"), rules)
    refuse_unknown(parse_matchers("AppDown,Nons*,rule=?,severity=Nonsense"), rules)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30m", 1_800), ("2h", 7_200), ("30d", 2_592_000)]
)
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert span_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "1.5h", "2 h", "2w", "9" * 8 + "s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidSilence, match="such as 30m"):
        span_seconds(text)
