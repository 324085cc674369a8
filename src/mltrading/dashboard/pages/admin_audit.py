"""The audit trail, for administrators: search, export, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import Act, Doing, act_button, choice_field, query_form, text_field
from mltrading.dashboard.audit_query import read_query
from mltrading.dashboard.markup import Node, el, table
from mltrading.domain.access import Actor
from mltrading.errors import InvalidView
from mltrading.services.ports.audit import OUTCOMES, AuditEntry, AuditQuery

if TYPE_CHECKING:
    from mltrading.services import Services

EXPORT = "/export/audit.csv"
FIELDS = ("text", "action", "who", "outcome", "since", "until")
HEADS = ("No.", "Time (UTC)", "Who", "Action", "Outcome", "Target", "Details", "From")


def drawn(services: Services, query: dict[str, str]) -> list[Node]:
    try:
        asked, wrong = read_query(query), None
    except InvalidView as error:
        asked, wrong = AuditQuery(), str(error)
    page = services.audit.search(current_actor(), asked)
    rows = [_row(entry) for entry in page.entries]
    return [
        el("h2", "Audit trail"),
        _search(query),
        *([el("p", f"{wrong}; all rows are shown", class_="callout")] if wrong else []),
        el("div", *_tools(query), class_="button-row"),
        table("Audit trail", HEADS, rows, "audit-table", stacked=True),
        *([] if rows else [el("p", "Nothing of that kind was recorded.", class_="muted")]),
        _pager(asked.page, page.more),
    ]


def _search(query: Mapping[str, str]) -> Node:
    def given(name: str) -> str:
        return query.get(name, "")

    outcomes = [("", "any"), *((outcome, outcome) for outcome in OUTCOMES)]
    return query_form(
        text_field("Text", "text", type="search", value=given("text")),
        text_field("Action", "action", value=given("action"), placeholder="session.begin"),
        text_field("Who", "who", value=given("who"), placeholder="e-mail address or name"),
        choice_field("Outcome", "outcome", outcomes, given("outcome")),
        text_field("Since", "since", type="date", value=given("since")),
        text_field("Until", "until", type="date", value=given("until")),
        submit="Search",
        tab="audit",
        page=None,
    )


def _tools(query: Mapping[str, str]) -> list[Node]:
    kept = {name: query[name] for name in FIELDS if query.get(name)}
    address = f"{EXPORT}?{urlencode(kept)}" if kept else EXPORT
    return [
        act_button("Check that it is whole", "verify-audit"),
        el("a", "CSV", href=address, class_="button", download="mltrading-audit.csv"),
    ]


def _row(entry: AuditEntry) -> Node:
    details = ", ".join(f"{name}: {value}" for name, value in entry.details.items())
    return el(
        "tr",
        el("td", f"{entry.seq}", class_="number"),
        el("td", f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
        el("td", entry.actor_email or entry.actor, title=entry.actor),
        el("td", entry.action),
        el("td", entry.outcome, class_="down" if entry.outcome != "done" else None),
        el("td", entry.target_email or entry.target, title=entry.target),
        el("td", details, class_="audit-details", title=details),
        el("td", entry.origin.address or "—", title=entry.origin.browser),
    )


def _pager(page: int, more: bool) -> Node:
    def link(text: str, to: int) -> Node:
        patch = f'{{"page": "{to}"}}' if to > 1 else '{"page": null}'
        return el("button", text, type="button", class_="button", data_patch=patch)

    return el(
        "div",
        *([link("Newer", page - 1)] if page > 1 else []),
        el("span", f"Page {page}", class_="muted") if page > 1 or more else None,
        *([link("Older", page + 1)] if more else []),
        class_="pager",
    )


def _verify(services: Services, actor: Actor, act: Act) -> list[Node]:
    verdict = services.audit.verify()
    if verdict.broken is not None:
        return [el("p", f"The trail is broken: {verdict.broken.text}.", class_="callout")]
    return [
        el(
            "p",
            f"The trail is whole: {verdict.events:,} rows follow one another, up to",
            " ",
            el("code", str(verdict.head), class_="command"),
        )
    ]


ACTS: Mapping[str, Doing[list[Node]]] = {"verify-audit": _verify}
