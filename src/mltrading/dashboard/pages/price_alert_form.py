"""The form of an alert: its fields, what the address says of them, and reading them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mltrading.dashboard.acts import Act, act_form, choice_field, chosen_only, text_field
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.price_alert_lines import (
    line_fields,
    line_values,
    on_scale,
    read_line,
)
from mltrading.domain.bars import INTERVALS, Interval
from mltrading.domain.price_alerts.brake import Brake
from mltrading.domain.price_alerts.conditions import (
    MOST_MOVE_BARS,
    MOST_PERCENT,
    MOVES,
    Condition,
    Line,
    Moves,
    crosses,
    moves,
    number,
)
from mltrading.domain.query import is_code
from mltrading.errors import InvalidAlert, InvalidView
from mltrading.services.ports.price_alerts import Wish
from mltrading.services.price_alerts import MOST_A_DAY

KINDS: Mapping[str, str] = {
    "crosses": "Price crosses a level",
    "moves": "Price moves",
    "indicator": "Indicator crosses",
}
FIRST = "crosses"
LEVEL = "level"
FIRST_LINE = "rsi"
COOLDOWNS: Mapping[int, str] = {
    0: "none",
    900: "15 minutes",
    3_600: "1 hour",
    4 * 3_600: "4 hours",
    86_400: "1 day",
    7 * 86_400: "1 week",
    30 * 86_400: "30 days",
}
MOVE_WORDS = {"moves": "moves, up or down", "rises": "rises", "falls": "falls"}
USUAL_COOLDOWN, USUAL_A_DAY = 3_600, 5


@dataclass(frozen=True, slots=True)
class Filled:
    """What the form shows: texts of its fields by name, the kind of condition, the alert it is to
    change ("" for a new one), and what is known of the symbol's price ("" where nothing is)."""

    kind: str = FIRST
    edit: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    price: str = ""

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)


def from_query(query: Mapping[str, str]) -> Filled:
    """A new alert as the address begins it: /alerts?symbol=AAPL&interval=1d&kind=moves."""
    kind = query.get("kind", FIRST)
    symbol, interval = query.get("symbol", ""), query.get("interval", "")
    known = {
        "symbol": symbol if is_code(symbol) else "",
        "interval": interval if interval in {one.value for one in INTERVALS} else "1d",
    }
    return Filled(kind if kind in KINDS else FIRST, "", known)


def from_wish(alert_id: int, code: str, wish: Wish) -> Filled:
    """An alert that is there, to be changed."""
    kind, parts = _parts(wish.condition)
    values = {
        "symbol": code,
        "interval": wish.interval.value,
        "cooldown": str(wish.brake.cooldown_seconds),
        "most": str(wish.brake.daily_cap),
        "told": "email" if wish.by_email else "here",
        **parts,
    }
    return Filled(kind, str(alert_id), values)


def form(filled: Filled, email: str) -> list[Node]:
    """`email`: where the trader can be told, "" where nowhere."""
    verb, text = ("change", "Save changes") if filled.edit else ("add", "Create alert")
    fields = [
        text_field(
            "Symbol",
            "symbol",
            value=filled.value("symbol"),
            required="required",
            maxlength="32",
            autocomplete="off",
        ),
        choice_field(
            "Bars",
            "interval",
            [(one.value, one.value) for one in INTERVALS],
            filled.value("interval", "1d"),
        ),
        *_FIELDS[filled.kind](filled),
        _cooldown(filled),
        text_field(
            "Most a day",
            "most",
            hint=f"1 to {MOST_A_DAY}",
            title="By the date at the exchange",
            value=filled.value("most", str(USUAL_A_DAY)),
            inputmode="numeric",
            required="required",
            maxlength="2",
        ),
        *_told(filled, email),
    ]
    return [
        act_form(
            "preview",
            *fields,
            submit="Preview",
            other=text,
            other_do=verb,
            kind=filled.kind,
            edit=filled.edit,
        )
    ]


def read_form(act: Act) -> tuple[str, Wish]:
    """The code and the wish of what was sent; InvalidAlert says what is wrong."""
    try:
        condition = _read_condition(act)
    except ValueError as error:
        raise InvalidAlert(str(error)) from None
    most = act.value("most").strip()
    if not re.fullmatch(r"[0-9]{1,4}", most):
        raise InvalidAlert(f"the most a day must be 1 to {MOST_A_DAY}")
    cooldown = act.value("cooldown")
    if cooldown not in map(str, COOLDOWNS):
        raise InvalidAlert("choose one of the cooldowns")
    code = act.value("symbol").strip()
    if not is_code(code):
        raise InvalidAlert("name a symbol")
    interval = {one.value: one for one in Interval}.get(act.value("interval"))
    if interval is None:
        raise InvalidAlert("choose one of the intervals")
    by_email = act.values.get("told") == "email"
    return code, Wish(interval, condition, Brake(int(cooldown), int(most)), by_email)


def edited(act: Act) -> int:
    """The alert that a form or button is about."""
    text = act.value("edit")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InvalidView("the page sent what it never should; reload it and try again")
    return int(text)


def _read_condition(act: Act) -> Condition:
    kind = act.value("kind")
    if kind == "crosses":
        level = _plain_number(act.value("level"))
        return crosses("close", act.value("way"), level)
    if kind == "moves":
        return moves(act.value("move"), _plain_number(act.value("percent")), act.value("within"))
    if kind != "indicator":
        raise InvalidView("the page sent what it never should; reload it and try again")
    to_level = act.value("other") == LEVEL
    against = _plain_number(act.value("against")) if to_level else read_line(act, "other")
    return crosses(read_line(act, "line"), act.value("way"), against)


def _plain_number(text: str) -> str:
    """Without the percent sign and the spaces that people write; `inf` and `nan` are none."""
    plain = text.strip().removesuffix("%").strip()
    if not re.fullmatch(r"[+-]?[0-9]*[.]?[0-9]+([eE][+-]?[0-9]+)?|[0-9]+[.]", plain):
        raise ValueError(f"'{text.strip()[:20]}' is no number; write it as 1234.5")
    return plain


def _parts(condition: Condition) -> tuple[str, dict[str, str]]:
    """The kind of a condition, and its fields."""
    if isinstance(condition, Moves):
        bars, percent = str(condition.bars), number(condition.percent)
        return "moves", {"move": condition.way, "percent": percent, "within": bars}
    parts: dict[str, str] = {"way": condition.way}
    against = condition.against
    if condition.kind == "price" and not isinstance(against, Line):
        return "crosses", {**parts, "level": number(against)}
    parts |= line_values("line", condition.line)
    if isinstance(against, Line):
        return "indicator", {**parts, **line_values("other", against)}
    return "indicator", {**parts, "other": LEVEL, "against": number(against)}


def _ways(filled: Filled) -> Node:
    ways = [("above", "above"), ("below", "below")]
    return choice_field("Crosses", "way", ways, filled.value("way"))


def _crosses(filled: Filled) -> list[Node]:
    return [
        _ways(filled),
        text_field(
            "Level",
            "level",
            hint=filled.price or "a price, such as 1234.5",
            value=filled.value("level"),
            inputmode="decimal",
            required="required",
            maxlength="20",
            autocomplete="off",
        ),
    ]


def _moves(filled: Filled) -> list[Node]:
    named: list[tuple[str, str]] = [(one, MOVE_WORDS[one]) for one in MOVES]
    return [
        choice_field("The close", "move", named, filled.value("move")),
        text_field(
            "By %, or more",
            "percent",
            hint=f"0.01 to {MOST_PERCENT:g}",
            value=filled.value("percent", "5"),
            inputmode="decimal",
            required="required",
            maxlength="10",
        ),
        text_field(
            "Within bars",
            "within",
            hint=f"1 to {MOST_MOVE_BARS}",
            value=filled.value("within", "5"),
            inputmode="numeric",
            required="required",
            maxlength="3",
        ),
    ]


def _indicator(filled: Filled) -> list[Node]:
    other = filled.value("other", LEVEL)
    return [
        *line_fields("Line", "line", filled.values, FIRST_LINE),
        _ways(filled),
        *line_fields("Level or line", "other", filled.values, LEVEL, (LEVEL, "a level")),
        chosen_only(
            "other",
            [LEVEL],
            other,
            el("div", _against(filled), *_about_levels(filled), class_="field"),
        ),
    ]


def _against(filled: Filled) -> Node:
    return text_field(
        "Level",
        "against",
        value=filled.value("against"),
        inputmode="decimal",
        required="required",
        maxlength="20",
        autocomplete="off",
    )


def _about_levels(filled: Filled) -> list[Node]:
    """What levels the chosen line has, where that is known."""
    line = filled.value("line", FIRST_LINE)
    said = {"price": filled.price, **dict.fromkeys(("rsi", "stoch", "adx"), "from 0 to 100")}
    return [
        chosen_only("line", on_scale(scale), line, el("span", text, class_="field-hint"))
        for scale, text in said.items()
        if text
    ]


def _cooldown(filled: Filled) -> Node:
    known = [(str(seconds), words) for seconds, words in COOLDOWNS.items()]
    chosen = filled.value("cooldown", str(USUAL_COOLDOWN))
    return choice_field("Pause after telling", "cooldown", known, chosen)


def _told(filled: Filled, email: str) -> list[Node]:
    """Offered where e-mail is sent, and the trader has an address."""
    if not email:
        return []
    ways = [("here", "here"), ("email", f"here and to {email}")]
    return [choice_field("Told", "told", ways, filled.value("told", "here"))]


_FIELDS = {"crosses": _crosses, "moves": _moves, "indicator": _indicator}
