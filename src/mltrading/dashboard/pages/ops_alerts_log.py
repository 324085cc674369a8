"""The history on the page of alerts: what fired, ended, or was muted, and by which rule."""

from __future__ import annotations

import json

from mltrading.dashboard.acts import choice_field, query_form
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_alerts_table import cell, severity, stamp, table
from mltrading.domain.alerting.turns import Event
from mltrading.services.alert_desk import History

WORDS = {
    "fired": "fired",
    "resolved": "over",
    "muted": "nobody is told",
    "unmuted": "told again",
}


def filter_form(found: History) -> list[Node]:
    known, chosen = sorted({*found.rules, found.rule} - {""}), found.rule
    return [
        el("h2", "History"),
        query_form(
            choice_field("Rule", "rule", [("", "all"), *((one, one) for one in known)], chosen),
            submit="Show",
            page=None,
            silence=None,
        ),
    ]


def history(found: History) -> list[Node]:
    of = f" of {found.rule}" if found.rule else ""
    return [
        table(
            "ops-alerts-history-table",
            ("Time (UTC)", "What", "Rule", "Severity", "Said"),
            [_row(one) for one in found.events],
            f"Nothing{of} is recorded{' on this page' if found.page > 1 else ''}.",
        ),
        _pager(found),
    ]


def _row(event: Event) -> Node:
    labels = "".join(f" {value}" for _, value in event.labels)
    return el(
        "tr",
        cell("Time (UTC)", stamp(event.at)),
        cell("What", el("span", WORDS[event.what], class_=f"alert-what is-{event.what}")),
        cell("Rule", f"{event.rule}{labels}"),
        cell("Severity", severity(event.severity)),
        cell("Said", event.said, class_="alert-said"),
    )


def _pager(found: History) -> Node:
    def to(text: str, page: int) -> Node:
        patch = json.dumps({"page": str(page) if page > 1 else None, "silence": None})
        return el("button", text, type="button", class_="button", data_patch=patch)

    several = found.page > 1 or found.more
    return el(
        "div",
        to("Newer", found.page - 1) if found.page > 1 else None,
        el("span", f"Page {found.page}", class_="muted") if several else None,
        to("Older", found.page + 1) if found.more else None,
        class_="pager",
    )
