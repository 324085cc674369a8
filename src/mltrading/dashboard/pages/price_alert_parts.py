"""The parts of the page of alerts, as markup. Everything of it is text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from mltrading.dashboard.acts import act_button
from mltrading.dashboard.formats import signed_percent
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_alerts_table import stamp
from mltrading.domain.alerting.words import lasting
from mltrading.domain.bars import DAY, Interval
from mltrading.domain.price_alerts.foresight import AFTER_BARS, FEWEST, Foreseen, MovesAfter
from mltrading.domain.query import from_micros, join
from mltrading.services.ports.price_alerts import Looked, Notice, PriceAlert
from mltrading.services.price_alerts import (
    MOST_ALERTS,
    MOST_FORESEEN,
    WATCHED_SECONDS,
    YEAR,
    AlertState,
    Preview,
    Standing,
)
from mltrading.services.price_words import bar_name

COLUMNS = ("Symbol", "Condition", "State", "Told for the bar of", "")
MARKS = {
    Standing.ARMED: "state-armed",
    Standing.COOLING: "state-resting",
    Standing.CAPPED: "state-resting",
    Standing.OFF: "state-off",
    Standing.NO_DATA: "state-trouble",
    Standing.NOT_SHARED: "state-trouble",
}


def alerts(found: Sequence[AlertState], looked: Looked | None) -> list[Node]:
    shown: list[Node] = [el("h2", f"Your alerts, {len(found)} of at most {MOST_ALERTS}")]
    if looked is None or looked.seconds > WATCHED_SECONDS:
        shown.append(el("p", _unwatched(looked), class_="callout", id="alerts-unwatched"))
    if not found:
        said = "None yet. Make one above, or with the button Alert of a chart."
        return [*shown, el("p", said, class_="muted")]
    head = el("thead", el("tr", *(el("th", name, scope="col") for name in COLUMNS)))
    rows = el("tbody", *map(_row, found))
    table = el("table", head, rows, class_="table stacked", id="alerts-table")
    return [*shown, el("div", table, class_="table-wrap")]


def _unwatched(looked: Looked | None) -> str:
    last = "none ever did"
    if looked is not None:
        last = f"last judged at {stamp(looked.at)} UTC, {lasting(looked.seconds)} ago"
    return f"No worker judges alerts at present ({last}): start one with mltrading worker."


def _row(one: AlertState) -> Node:
    alert = one.shown.alert
    wish, number = alert.wish, str(alert.id)
    chart = el("a", alert.symbol.code, href=_chart(alert.symbol.code, wish.interval.value))
    code = chart if one.standing is not Standing.NOT_SHARED else alert.symbol.code
    switch = (
        act_button("Switch off", "switch", edit=number, on="no")
        if alert.on
        else act_button("Switch on", "switch", edit=number, on="yes")
    )
    buttons = el(
        "div",
        el("a", "Edit", href=f"/alerts?edit={number}", class_="button"),
        switch,
        act_button("Delete", "delete", edit=number, confirm=f"Delete: {_named(alert)}?"),
        class_="button-row",
    )
    return el(
        "tr",
        el("th", code, " ", el("span", wish.interval.value, class_="muted"), scope="row"),
        el("td", wish.condition.words, _how(alert)),
        el("td", el("span", _standing(one), class_=f"state {MARKS[one.standing]}")),
        el("td", *_last(alert), data_label=COLUMNS[3]),
        el("td", buttons),
        data_alert=number,
    )


def _named(alert: PriceAlert) -> str:
    return f"{alert.symbol.code} {alert.wish.interval.value}, {alert.wish.condition.words}"


def _how(alert: PriceAlert) -> Node:
    brake = alert.wish.brake
    pause = f"pause {span(brake.cooldown_seconds)}" if brake.cooldown_seconds else "no pause"
    by = ", by e-mail too" if alert.wish.by_email else ""
    return el("div", f"{pause}, at most {brake.daily_cap} a day{by}", class_="muted")


def _standing(one: AlertState) -> str:
    if one.standing is Standing.COOLING and one.until is not None:
        return f"cooling down until {_moment(one.until, one.shown.alert.symbol.timezone)}"
    if one.standing is Standing.NO_DATA:
        return "no bars are stored" if one.shown.session is None else f"no data for {one.age}"
    if one.standing is Standing.NOT_SHARED:
        return "the symbol is not shared with you any more"
    return str(one.standing.value)


def _last(alert: PriceAlert) -> list[Node]:
    if alert.told.at is None:
        return [el("span", "never", class_="muted")]
    return [_moment(alert.told.at, alert.symbol.timezone)]


def _moment(micros: int, timezone: str) -> str:
    """On the exchange's clock."""
    zone = timezone or "UTC"
    place = zone.rpartition("/")[2].replace("_", " ")
    return f"{from_micros(micros).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {place}"


def _chart(code: str, interval: str) -> str:
    return f"/charts?{join(('symbol', code), ('interval', interval))}"


def notices(found: Sequence[Notice], unread: int) -> list[Node]:
    title = f"Notices, {unread} unread" if unread else "Notices"
    if not found:
        said = "Nothing was told yet. What fires is kept here, and counted in the top bar."
        return [el("h2", title), el("p", said, class_="muted")]
    newest = str(max(one.id for one in found))
    button = act_button("Mark all as read", "read", edit=newest) if unread else None
    return [
        el("div", el("h2", title), button, class_="notices-head"),
        el("div", *map(_notice, found), class_="notices", id="notices-list"),
    ]


def _notice(one: Notice) -> Node:
    lines = one.text.splitlines()
    return el(
        "div",
        el(
            "div",
            el("a", one.title, href=_chart(one.symbol, one.interval), class_="notice-title"),
            el("span", f"{one.at:%Y-%m-%d %H:%M} UTC", class_="muted"),
            class_="notice-head",
        ),
        *(el("div", line) for line in lines[1:]),
        class_="notice" if one.read else "notice is-unread",
    )


# -- what would have been --------------------------------------------------------------------------


def preview(one: Preview) -> list[Node]:
    wish = one.wish
    title = f"{one.symbol.code} {wish.interval.value}: {wish.condition.words}"
    lines = [el("p", line) for line in said(one)]
    return [el("h3", title), *lines]


def said(one: Preview) -> list[str]:
    """What was found, in sentences."""
    found = one.foreseen
    if not found.bars:
        return ["No closed bars are stored, so nothing can be said of the past."]
    until = _bar(one, found.until)
    if found.known_from is None:
        few = f"{found.bars} closed {'bar' if found.bars == 1 else 'bars'}"
        return [f"It can not be judged yet: it needs more than the {few} that are stored."]
    lines = [f"{_span(one, until)} it would have told you {_times(len(found.told))}{_held(found)}."]
    lines += _moved(found)
    lines += _short(one)
    if one.symbol.simulated:
        lines.append("These are simulated prices of a made-up exchange.")
    return lines


def _span(one: Preview, until: str) -> str:
    return f"In the year to {until}" if not _is_short(one) else f"Over the bars stored, to {until},"


def _is_short(one: Preview) -> bool:
    slack = max(7 * DAY, 2 * one.wish.interval.length)
    return one.cut or one.foreseen.since > one.foreseen.until - YEAR + slack


def _held(found: Foreseen) -> str:
    if not found.held_back:
        return ""
    return f" ({found.held_back:,} more were held back by the pause and the most a day)"


def _moved(found: Foreseen) -> list[str]:
    """How the price moved afterwards, beside how it moves anyway."""
    any_bar = f"After any bar of that time the median is {_percent(found.any_bar)}"
    base = f"{any_bar} (n = {found.any_bar.count:,})."
    lines = [] if math.isnan(found.any_bar.median) else [base]
    if not math.isnan(found.after.median):
        told = f"{_percent(found.after)} (n = {found.after.count:,})"
        return [f"Median move of the close, {AFTER_BARS} bars afterwards: {told}.", *lines]
    if not found.told:
        return []
    few = f"A median of the moves {AFTER_BARS} bars afterwards takes {FEWEST} of them"
    return [
        f"{few}; there {'is' if found.after.count == 1 else 'are'} {found.after.count}.",
        *lines,
    ]


def _short(one: Preview) -> list[str]:
    found, lines = one.foreseen, []
    since = _bar(one, found.since)
    if one.cut:
        lines.append(f"Only the newest {MOST_FORESEEN:,} bars were looked at, from {since} on.")
    elif _is_short(one):
        lines.append(f"The history is short: {found.bars:,} bars, from {since} on.")
    if found.known_from is not None and found.known_from > found.since and _is_short(one):
        lines.append(f"It can be judged from {_bar(one, found.known_from)} on, not earlier.")
    return lines


def _bar(one: Preview, ts: int) -> str:
    interval: Interval = one.wish.interval
    return bar_name(ts, interval, one.symbol.timezone or "UTC")


def _percent(moves: MovesAfter) -> str:
    return signed_percent(moves.median)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def span(seconds: int) -> str:
    """A pause in its largest whole unit."""
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{seconds} s"
