"""The parts of the page of alerts, as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from mltrading.dashboard.acts import act_button, act_form, choice_field, text_field
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_alerts_table import cell, severity, short_stamp, stamp, table
from mltrading.domain.alerting.rules import Rule
from mltrading.domain.alerting.silences import LONGEST_REASON
from mltrading.domain.alerting.states import Alert, State
from mltrading.domain.alerting.words import RUNBOOK, anchor, clearing, lasting
from mltrading.services.alert_desk import Desk, Outlet, Quiet, Ruled, Watch
from mltrading.services.ports.alert_desk import DeadLetter

NEW = "new"
"""`?silence=new`: a silence of no alert that is there."""
SPANS = (
    ("30m", "30 minutes"),
    ("1h", "1 hour"),
    ("2h", "2 hours"),
    ("4h", "4 hours"),
    ("8h", "8 hours"),
    ("1d", "1 day"),
    ("3d", "3 days"),
    ("7d", "7 days"),
    ("30d", "30 days"),
)
USUAL_SPAN = "2h"
LONGEST_MATCHERS = "1000"
STATES = {
    State.FIRING: "fires",
    State.PENDING: "pending",
    State.ERROR: "can not be judged",
    State.NODATA: "no data",
    State.RESOLVED: "quiet",
    State.INACTIVE: "quiet",
}


def state(desk: Desk) -> list[Node]:
    """As of when this is true, and whether it is true at all."""
    now = desk.now
    at = el("span", stamp(now.at), class_="figures", id="ops-alerts-at")
    words: list[Node] = [at, " UTC, asked again every 15 s while you look"]
    if now.evaluated_at is not None:
        ago = lasting(max(0.0, (now.at - now.evaluated_at).total_seconds()))
        by = f" by {desk.leader.holder.rpartition('-')[0]}" if desk.leader else ""
        words.append(f". Evaluated {ago} ago{by}")
    shown: list[Node] = [el("p", "As of ", *words, class_="muted")]
    if desk.watch is not Watch.GOES_ON:
        shown.append(el("p", *_silent(desk), class_="callout", id="ops-alerts-silent"))
    if desk.file.problem:
        said = (
            "The last good one holds." if desk.file.rules is not None else "No rule can be shown."
        )
        text = f"alerting.yml is not valid. {said} {desk.file.problem}"
        shown.append(el("p", text, class_="callout", id="ops-alerts-file"))
    return shown


def _silent(desk: Desk) -> list[Node]:
    """That nobody looks is not that all is well."""
    worker = el("code", "mltrading worker", class_="command")
    since = desk.now.evaluated_at
    if desk.watch is Watch.OFF:
        return [
            "Alerts are switched off here (monitoring.alerts): nothing is evaluated, and nobody is"
            " told of anything."
        ]
    if since is None:
        return ["No worker evaluates, and none ever did: nothing is known. Start it: ", worker]
    ago = lasting((desk.now.at - since).total_seconds())
    return [
        f"No worker evaluates. What is shown was true at {stamp(since)} UTC, {ago} ago; nobody"
        " looks now, and nobody is told of anything new. Look whether it runs: ",
        worker,
    ]


def alerts(desk: Desk, query: Mapping[str, str]) -> list[Node]:
    firing = desk.in_state(State.FIRING)
    pending = desk.in_state(State.PENDING)
    unknown = desk.in_state(State.ERROR, State.NODATA)
    fresh = desk.watch is Watch.GOES_ON
    firing_heads = ("Severity", "Rule", "Said", "Since (UTC)", "Told", "")
    shown: list[Node] = [
        el("h2", f"Firing{_count(firing)}"),
        table(
            "ops-alerts-firing",
            firing_heads,
            [_firing(one, desk, query) for one in firing],
            "Nothing fires." if fresh else "Not known: nobody looks.",
        ),
        el("h2", f"Pending{_count(pending)}"),
        table(
            "ops-alerts-pending",
            ("Severity", "Rule", "Said", "Since (UTC)", "Fires at (UTC)", ""),
            [_pending(one, desk, query) for one in pending],
            "Nothing is pending." if fresh else "Not known: nobody looks.",
        ),
    ]
    if unknown:
        heads = ("Severity", "Rule", "State", "Said")
        rows = [_unknown(one) for one in unknown]
        shown += [
            el("h2", f"Not known{_count(unknown)}"),
            table("ops-alerts-unknown", heads, rows, ""),
        ]
    return shown


def _count(found: Sequence[object]) -> str:
    return f": {len(found):,}" if found else ""


def _firing(alert: Alert, desk: Desk, query: Mapping[str, str]) -> Node:
    since = alert.pending_since or alert.fired_at
    return el(
        "tr",
        cell("Severity", severity(alert.severity)),
        cell("Rule", *_name(alert), el("span", _to_do(alert), class_="muted alert-more")),
        cell("Said", alert.said, _clearing(alert, desk), class_="alert-said"),
        cell("Since (UTC)", _since(since, desk.now.at)),
        cell("Told", *_told(alert, desk), class_="alert-said"),
        cell("", _silence_link(alert, query)),
    )


def _clearing(alert: Alert, desk: Desk) -> Node | None:
    words = clearing(alert, desk.now.over_at.get(alert.key))
    return el("span", words, class_="muted alert-more") if words else None


def _pending(alert: Alert, desk: Desk, query: Mapping[str, str]) -> Node:
    fires_at = desk.fires_at(alert)
    at = "not known here" if fires_at is None else short_stamp(fires_at, desk.now.at)
    return el(
        "tr",
        cell("Severity", severity(alert.severity)),
        cell("Rule", *_name(alert)),
        cell("Said", alert.said, class_="alert-said"),
        cell("Since (UTC)", _since(alert.pending_since, desk.now.at)),
        cell("Fires at (UTC)", at),
        cell("", _silence_link(alert, query)),
    )


def _unknown(alert: Alert) -> Node:
    return el(
        "tr",
        cell("Severity", severity(alert.severity)),
        cell("Rule", *_name(alert)),
        cell("State", STATES[alert.state]),
        cell("Said", alert.said, class_="alert-said"),
    )


def _name(alert: Alert) -> list[Node]:
    labels = "".join(f" {value}" for label, value in alert.labels)
    return [el("span", alert.rule, class_="alert-rule"), *([labels] if labels else [])]


def _to_do(alert: Alert) -> str:
    return f"{RUNBOOK}#{anchor(alert.rule)}"


def _since(moment: datetime | None, now: datetime) -> Node:
    if moment is None:
        return "not known"
    ago = lasting(max(0.0, (now - moment).total_seconds()))
    return el(
        "span", f"{short_stamp(moment, now)} ", el("span", f"({ago})", class_="muted"),
        title=f"{stamp(moment)} UTC",
    )  # fmt: skip


def _told(alert: Alert, desk: Desk) -> list[Node]:
    """Who knows of it, and why others do not."""
    names = ", ".join(one.name for one in desk.told.get(alert.key, ()))
    shown: list[Node] = []
    if alert.muted_by:
        shown.append(el("span", f"muted by {alert.muted_by}", class_="mark mark-stale"))
        names = f" before: {names}" if names else ""
    elif not names:
        names = "nobody yet"
    return [*shown, *([names] if names else [])]


def _silence_link(alert: Alert, query: Mapping[str, str]) -> Node:
    return _link("Silence", query, alert.key, f"Silence {alert.rule}")


def _link(text: str, query: Mapping[str, str], key: str, label: str | None = None) -> Node:
    address = f"/ops/alerts?{urlencode({**query, 'silence': key})}"
    return el("a", text, href=address, class_="button", aria_label=label)


def silence_form(matchers: str) -> list[Node]:
    """For an alert, or (no matchers) for whatever is typed."""
    return [
        el("h2", "Silence"),
        el(
            "p",
            "Nobody is told of what matches, while it goes on and is shown here. rule=MemoryHigh,"
            " rule=Error*,severity!=critical or channel=slack*: all that is given has to match.",
            class_="muted",
        ),
        act_form(
            "silence",
            text_field(
                "Matches", "matchers", value=matchers, required="required",
                maxlength=LONGEST_MATCHERS, id="silence-matchers",
            ),
            choice_field("For", "span", list(SPANS), USUAL_SPAN),
            text_field(
                "Reason, for those who wonder", "reason", required="required",
                maxlength=str(LONGEST_REASON), id="silence-reason", autocomplete="off",
            ),
            el("a", "Cancel", href="/ops/alerts", class_="button"),
            submit="Silence",
        ),
    ]  # fmt: skip


def silences(desk: Desk, query: Mapping[str, str]) -> list[Node]:
    heads = ("Matches", "By", "Reason", "Since (UTC)", "Until (UTC)", "Mutes now", "")
    return [
        el("h2", f"Silenced{_count(desk.silences)}"),
        table(
            "ops-alerts-silences-table",
            heads,
            [_silence(one, desk) for one in desk.silences],
            "Nothing is silenced.",
        ),
        el("div", _link("New silence", query, NEW), class_="button-row"),
    ]


def _silence(one: Quiet, desk: Desk) -> Node:
    silence, now = one.silence, desk.now.at
    left = lasting(max(0.0, (silence.ends_at - now).total_seconds()))
    return el(
        "tr",
        cell("Matches", silence.text, class_="alert-said"),
        cell("By", one.by, class_="alert-said"),
        cell("Reason", silence.reason, class_="alert-said"),
        cell("Since (UTC)", short_stamp(silence.starts_at, now)),
        cell(
            "Until (UTC)",
            f"{short_stamp(silence.ends_at, now)} ",
            el("span", f"({left} left)", class_="muted"),
        ),
        cell("Mutes now", f"{one.open:,}" if one.open else "nothing"),
        cell(
            "",
            act_button(
                "End",
                "unsilence",
                confirm=f"End the silence of {silence.text}? Whoever is to be told is told again.",
                silence=silence.id,
            ),
        ),
    )


def sending(desk: Desk) -> list[Node]:
    """What is still to be sent, and what was given up, by channel."""
    shown: list[Node] = [
        el("h2", "Channels"),
        table(
            "ops-alerts-channels",
            ("Channel", "Hears of", "Waits", "Given up, 1 day", "Newest trouble"),
            [_outlet(one) for one in desk.outlets],
            "alerting.yml names no channel that could be shown.",
        ),
    ]
    if desk.dead:
        shown += [
            el("h2", f"Given up: the newest {len(desk.dead):,}"),
            table(
                "ops-alerts-dead",
                ("Time (UTC)", "Channel", "Message", "Attempts", "Reason"),
                [_dead(one) for one in desk.dead],
                "",
            ),
        ]
    return shown


def _outlet(one: Outlet) -> Node:
    queue = one.queue
    waits = f"{queue.waiting:,} for up to {lasting(queue.oldest_seconds)}"
    trouble = one.unusable or queue.reason
    return el(
        "tr",
        cell("Channel", one.destination.name, class_="alert-said"),
        cell("Hears of", ", ".join(one.severities) or "nothing any more"),
        cell("Waits", waits if queue.waiting else "nothing"),
        cell("Given up, 1 day", _bad(f"{queue.dead:,}") if queue.dead else "nothing"),
        cell("Newest trouble", trouble or "none", class_="alert-said"),
    )


def _bad(text: str) -> Node:
    return el("span", text, class_="mark mark-stale")


def _dead(one: DeadLetter) -> Node:
    return el(
        "tr",
        cell("Time (UTC)", stamp(one.at)),
        cell("Channel", one.destination.name, class_="alert-said"),
        cell("Message", one.title, class_="alert-said"),
        cell("Attempts", f"{one.attempts:,}"),
        cell("Reason", one.reason, class_="alert-said"),
    )


def rules(desk: Desk) -> list[Node]:
    """What is in force, as this server reads alerting.yml; with what the engine tells of itself."""
    if desk.file.rules is None:
        return [el("h2", "Rules in force"), el("p", "Not known.", class_="muted")]
    valid = "The last good alerting.yml" if desk.file.problem else "alerting.yml is valid"
    rows = [_rule(one, desk) for one in desk.rules]
    heads = ("Rule", "Severity", "When", "For", "Over after", "Needs", "Mutes", "Now")
    return [
        el("h2", "Rules in force"),
        el("p", f"{valid}: {len(desk.file.rules):,} rules.", class_="muted", id="ops-alerts-valid"),
        table("ops-alerts-rules-table", heads, rows, "None."),
    ]


def _rule(one: Ruled, desk: Desk) -> Node:
    rule = one.rule
    return el(
        "tr",
        cell("Rule", rule.name, class_="alert-rule"),
        cell("Severity", severity(rule.severity)),
        cell("When", "told by the engine itself" if rule.own else str(rule.condition)),
        cell("For", lasting(rule.for_seconds) if rule.for_seconds else "at once"),
        cell("Over after", lasting(rule.keep_seconds)),
        cell("Needs", _needs(rule)),
        cell("Mutes", ", ".join(rule.mutes) or "nothing", class_="alert-said"),
        cell("Now", _standing(one, desk)),
    )


def _needs(rule: Rule) -> str:
    if not rule.least_requests:
        return "nothing"
    return f"{rule.least_requests:,} requests in {lasting(rule.window_seconds)}"


def _standing(one: Ruled, desk: Desk) -> Node:
    if one.state is None:
        return el("span", "never evaluated", class_="muted")
    text = STATES[one.state]
    if desk.watch is not Watch.GOES_ON:
        return el("span", f"{text} when last looked at", class_="muted")
    return _bad(text) if one.state in (State.FIRING, State.ERROR) else text
