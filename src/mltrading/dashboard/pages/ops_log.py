"""Ops: search in the warnings and errors of all processes. The id on a message of an error finds
its lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import choice_field, query_form, text_field
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_frame import Drawn, Query, Section, page_of, span_of
from mltrading.dashboard.pages.ops_parts import stamp
from mltrading.services.operations import LogPage
from mltrading.services.ports.operations import LogQuery, LogRecord

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/ops/log"
LEVELS = {"": "warnings and errors", "error": "errors", "critical": "critical"}
LEAST_LEVEL, DEFAULT_RANGE = "warning", "30d"
FARTHEST_PAGE = 1_000  # the log holds no more


def draw(services: Services, query: Query) -> Drawn:
    since = services.clock.now() - span_of(query, DEFAULT_RANGE)
    asked = LogQuery(
        text=_plain(query.get("text", "")),
        level=_level(query) or LEAST_LEVEL,
        request_id=_plain(query.get("id", "")),
        since=since,
        page=_page(query.get("page", "1")),
    )
    page = services.operations.log(current_actor(), asked)
    lines = [_line(record) for record in page.records]
    nothing = "No line of that kind was kept in this time."
    return Drawn(
        {
            "ops-lines": [
                (
                    el("div", *lines, class_="log-lines", role="list")
                    if lines
                    else el("p", nothing, class_="muted")
                ),
                _pager(page),
            ]
        }
    )


def form(query: Query) -> list[Node]:
    return [
        query_form(
            text_field(
                "Text, user, route or callback", "text", type="search", value=query.get("text", "")
            ),
            choice_field("Level", "level", list(LEVELS.items()), _level(query)),
            text_field(
                "Request or error id", "id", type="search", value=query.get("id", ""),
                autocomplete="off",
            ),
            submit="Search",
            page=None,
        )
    ]  # fmt: skip


def _level(query: Query) -> str:
    level = query.get("level", "")
    return level if level in LEVELS else ""


def _plain(text: str) -> str:
    """Without what no text of the database can hold."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _page(text: str) -> int:
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(FARTHEST_PAGE))
    return min(int(text), FARTHEST_PAGE) if digits else 1


def _line(record: LogRecord) -> Node:
    facts = [
        record.logger,
        record.route,
        record.callback,
        f"status {record.status}" if record.status else "",
        f"{record.duration_ms:,.1f} ms" if record.duration_ms is not None else "",
        f"user {record.user}" if record.user else "",
    ]
    return el(
        "div",
        el("span", stamp(record.at), class_="log-at"),
        el("span", record.level, class_=f"log-level is-{_severity(record.level)}"),
        el("p", record.message, class_="log-message"),
        el("p", " · ".join(filter(None, facts)), *_id(record), class_="log-facts muted"),
        _exception(record),
        class_="log-line",
        role="listitem",
    )


def _severity(level: str) -> str:
    return "error" if level in ("error", "critical") else "warning"


def _id(record: LogRecord) -> list[Node]:
    if not record.request_id:
        return []
    link = f"{PATH}?{urlencode({'id': record.request_id})}"
    return [" · ", el("a", f"request {record.request_id}", href=link)]


def _exception(record: LogRecord) -> Node | None:
    if not record.exception:
        return None
    last = record.exception.strip().splitlines()[-1]
    return el(
        "details",
        el("summary", last),
        el("pre", record.exception),
        id=f"log-{record.at.timestamp():.6f}-{record.error_id}".replace(".", "-"),
        class_="log-exception",
    )


def _pager(page: LogPage) -> Node:
    here = page.query.page

    def button(text: str, to: int) -> Node:
        patch = json.dumps({"page": str(to) if to > 1 else None})
        return el("button", text, type="button", class_="button", data_patch=patch)

    return el(
        "div",
        button("Newer", here - 1) if here > 1 else None,
        el("span", f"Page {here}", class_="muted") if here > 1 or page.more else None,
        button("Older", here + 1) if page.more else None,
        class_="pager",
    )


PAGE = page_of(Section(PATH, "Log", draw, ("ops-lines",), form=form, default=DEFAULT_RANGE))
