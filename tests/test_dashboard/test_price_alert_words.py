"""What the page of alerts says: of the past, of states, of what somebody typed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mltrading.dashboard.acts import Act
from mltrading.dashboard.pages.price_alert_form import (
    COOLDOWNS,
    KINDS,
    form,
    from_query,
    from_wish,
    read_form,
)
from mltrading.dashboard.pages.price_alert_parts import alerts, said, span
from mltrading.domain.bars import DAY, Interval
from mltrading.domain.price_alerts.brake import Brake
from mltrading.domain.price_alerts.conditions import parse_condition
from mltrading.domain.price_alerts.foresight import Foreseen, MovesAfter
from mltrading.errors import InvalidAlert
from mltrading.services.ports.price_alerts import Looked, Wish
from mltrading.services.price_alerts import YEAR, Preview
from tests.factories import make_symbol, moment
from tests.signed_app import texts

UNTIL = moment("2026-05-29")
FOUND = Foreseen(
    told=tuple(range(14)),
    held_back=3,
    after=MovesAfter(0.012, 14),
    any_bar=MovesAfter(0.003, 247),
    bars=252,
    since=UNTIL - YEAR + 2 * DAY,
    until=UNTIL,
    known_from=UNTIL - YEAR + 2 * DAY,
)


def wish(text: str = "close above 150", **more: object) -> Wish:
    return Wish(Interval.D1, parse_condition(text), **more)  # type: ignore[arg-type]


def sentences(cut: bool = False, simulated: bool = False, **changes: object) -> str:
    found = replace(FOUND, **changes)  # type: ignore[arg-type]
    symbol = make_symbol("AAPL", simulated=simulated)
    return " ".join(said(Preview(symbol, wish(), found, cut)))


def test_when_nobody_judges_the_page_says_since_when() -> None:
    at = datetime(2026, 5, 29, 14, 3, 20, tzinfo=UTC)
    assert "No worker" not in " ".join(texts(alerts([], Looked(at, 45.0))))
    assert (
        "No worker judges alerts at present (last judged at 2026-05-29 14:03:20 UTC, 1 min ago):"
        " start one with mltrading worker."
    ) in " ".join(texts(alerts([], Looked(at, 75.0))))
    assert "(none ever did)" in " ".join(texts(alerts([], None)))


def test_a_whole_year_is_told_with_its_base_rate() -> None:
    assert sentences() == (
        "In the year to 2026-05-29 it would have told you 14 times (3 more were held back by the"
        " pause and the most a day). Median move of the close, 5 bars afterwards: +1.20% (n = 14)."
        " After any bar of that time the median is +0.30% (n = 247)."
    )


def test_few_have_no_median_and_say_so() -> None:
    few = sentences(told=(1, 2), held_back=0, after=MovesAfter(math.nan, 1))
    assert "twice. A median of the moves 5 bars afterwards takes 8 of them; there is 1." in few
    assert "After any bar of that time the median is +0.30% (n = 247)." in few
    assert "Median move" not in few


def test_never_says_never() -> None:
    assert sentences(told=(), held_back=0, after=MovesAfter(math.nan, 0)) == (
        "In the year to 2026-05-29 it would have told you never."
    )


def test_a_short_history_is_said() -> None:
    short = sentences(since=UNTIL - 60 * DAY, bars=42, known_from=UNTIL - 30 * DAY)
    assert short.startswith("Over the bars stored, to 2026-05-29, it would")
    assert "The history is short: 42 bars, from 2026-03-30 on." in short
    assert "It can be judged from 2026-04-29 on, not earlier." in short


def test_what_can_not_be_judged_says_why() -> None:
    assert "needs more than the 20 closed bars that are stored" in sentences(
        known_from=None, bars=20
    )
    assert sentences(bars=0).startswith("No closed bars are stored")


def test_a_cut_and_simulated_prices_are_said() -> None:
    assert "Only the newest 100,000 bars were looked at" in sentences(cut=True)
    assert "simulated prices" in sentences(simulated=True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(900, "15 minutes"), (3_600, "1 hour"), (86_400, "1 day"), (7 * 86_400, "7 days"), (5, "5 s")],
)
def test_a_pause_is_said_in_its_largest_unit(seconds: int, words: str) -> None:
    assert span(seconds) == words


# -- the form --------------------------------------------------------------------------------------


def values_of(node: object) -> dict[str, str]:
    """What a browser would send of a form untouched."""
    found: dict[str, str] = {}
    if isinstance(node, list):
        if node and node[0] == "fieldset" and node[1].get("disabled"):
            return {}
        if node and node[0] == "input":
            found[node[1]["name"]] = node[1].get("value", "")
        elif node and node[0] == "select":
            chosen = [o[1]["value"] for o in node[2:] if o[1].get("selected")]
            found[node[1]["name"]] = (chosen or [node[2][1]["value"]])[0]
        for child in node:
            found |= values_of(child)
    return found


WISHES = [
    wish("close below 12.5", brake=Brake(0, 3)),
    wish("close rises 2.5% in 10", brake=Brake(86_400, 1)),
    wish("rsi:21 below 30", brake=Brake(900, 50), by_email=True),
    wish("sma:20 above sma:50", brake=Brake(3_600, 5)),
    wish("close below bbands:20:2.5.lower", brake=Brake(3_600, 5)),
    wish("macd:12:26:9 above macd:12:26:9.signal", brake=Brake(3_600, 5)),
    wish("stoch:14:3:3.d above 80", brake=Brake(3_600, 5)),
    wish("close above vwap", brake=Brake(3_600, 5)),
]


@pytest.mark.parametrize("known", WISHES, ids=lambda one: str(one.condition))
def test_an_alert_that_is_opened_and_saved_is_the_same(known: Wish) -> None:
    filled = from_wish(7, "AAPL", known)
    sent = {"kind": filled.kind, "edit": "7", **values_of(form(filled, "ann@example.com"))}
    assert read_form(Act("change", sent)) == ("AAPL", known)


def sent(**changes: str) -> Act:
    """A new alert of that kind as its form is sent."""
    kind = changes.pop("kind", "crosses")
    known = values_of(form(from_query({"symbol": "AAPL", "kind": kind}), ""))
    return Act("add", {"kind": kind, "edit": "", **known, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"level": ""}, "is no number"),
        ({"level": "inf"}, "is no number"),
        ({"level": "1,5"}, "is no number"),
        ({"level": "9" * 30}, "must be within"),
        ({"level": "5", "way": "over"}, "above or below"),
        ({"level": "5", "symbol": ""}, "name a symbol"),
        ({"level": "5", "symbol": "A,B"}, "name a symbol"),
        ({"level": "5", "interval": "2d"}, "intervals"),
        ({"level": "5", "most": "-1"}, "most a day"),
        ({"level": "5", "cooldown": "17"}, "cooldowns"),
        ({"kind": "moves", "percent": "0"}, "0.01"),
        ({"kind": "moves", "within": "999"}, "1 to 250"),
        ({"kind": "indicator", "line_1": "x", "against": "1"}, "whole number"),
        ({"kind": "indicator", "against": ""}, "is no number"),
        ({"kind": "indicator", "line": "<b>", "against": "1"}, "unknown indicator"),
        ({"kind": "indicator", "other": "sma", "other_1": "20"}, "different scales"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidAlert, match=reason):
        read_form(sent(**changes))


def fieldsets(node: Any, of: str) -> Iterator[list[Any]]:
    """What is there for some choices of that name only."""
    if isinstance(node, list):
        if len(node) > 1 and node[0] == "fieldset" and node[1]["data-of"] == of:
            yield node
        for child in node:
            yield from fieldsets(child, of)


def test_each_setting_of_a_line_has_a_field_that_says_its_limits() -> None:
    shown = form(from_query({"kind": "indicator"}), "")
    for of in ("line", "other"):
        [macd] = (one for one in fieldsets(shown, of) if "macd.signal" in one[1]["data-when"])
        assert " ".join(texts(macd)) == "Fast 2 to 400 Slow 2 to 400 Signal 2 to 200"
        assert set(values_of(macd[2:])) == {f"{of}_1", f"{of}_2", f"{of}_3"}
    typed = {"line": "macd", "line_1": "10", "line_2": "", "line_3": "5", "against": "0"}
    _, found = read_form(sent(kind="indicator", **typed))
    assert str(found.condition) == "macd:10:26:5 above 0"


def test_a_level_is_asked_for_beside_what_is_known_of_its_scale() -> None:
    begun = replace(from_query({"symbol": "AAPL"}), price="last close 430.47")
    assert "last close 430.47" in texts(form(begun, ""))
    shown = form(replace(begun, kind="indicator"), "")
    hints = {
        one[1]["data-when"]: ("hidden" in one[1], *texts(one[2:]))
        for one in fieldsets(shown, "line")
        if one[2][0] == "span"
    }
    assert hints.pop("rsi") == (False, "from 0 to 100")
    assert hints.pop("stoch stoch.d") == (True, "from 0 to 100")
    assert hints.pop("adx adx.plus_di adx.minus_di") == (True, "from 0 to 100")
    [(lines, said)] = hints.items()
    assert said == (True, "last close 430.47") and {"close", "sma", "vwap"} < set(lines.split())


def test_the_address_begins_the_form_with_what_it_can_use() -> None:
    kept = from_query({"symbol": "AAPL", "interval": "1h", "kind": "moves"})
    assert (kept.kind, kept.value("symbol"), kept.value("interval")) == ("moves", "AAPL", "1h")
    other = from_query({"symbol": "A,B", "interval": "9x", "kind": "<img>"})
    assert (other.kind, other.value("symbol"), other.value("interval")) == ("crosses", "", "1d")
    assert set(KINDS) == {"crosses", "moves", "indicator"} and 0 in COOLDOWNS


def test_email_is_offered_to_who_can_be_reached_alone() -> None:
    filled = from_query({})
    assert "ann@example.com" in " ".join(texts(form(filled, "ann@example.com")))
    assert "told" not in values_of(form(filled, ""))
