"""Which symbols those see who do not see all, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import Act, Doing, act_button, query_form, text_field
from mltrading.dashboard.markup import Node, el, table
from mltrading.dashboard.origin import current_origin
from mltrading.domain.access import Actor

if TYPE_CHECKING:
    from mltrading.services import Services

MOST_SHOWN = 100


def drawn(services: Services, query: dict[str, str]) -> list[Node]:
    actor, sought = current_actor(), query.get("q", "")
    shared = services.accounts.shared(actor)
    found = services.market.find(actor, sought, MOST_SHOWN + 1)
    more = (
        f" The first {MOST_SHOWN} are shown; search for others." if len(found) > MOST_SHOWN else ""
    )
    rows = [
        el(
            "tr",
            el("th", symbol.code, scope="row"),
            el("td", symbol.name),
            el("td", "shared" if symbol.code in shared else "—"),
            el("td", _button(symbol.code, symbol.code in shared)),
        )
        for symbol in found[:MOST_SHOWN]
    ]
    return [
        el("h2", "Shared symbols"),
        el(
            "p",
            "Viewers see these and no others; analysts and administrators see all."
            f" {len(shared):,} shared.{more}",
            class_="muted",
        ),
        query_form(
            text_field("Symbol or name contains", "q", type="search", value=sought),
            submit="Find",
            tab="symbols",
        ),
        table("Shared symbols", ("Symbol", "Name", "Viewers", ""), rows, "symbols-table"),
    ]


def _button(code: str, shared: bool) -> Node:
    if shared:
        return act_button("Stop sharing", "unshare-symbol", code=code)
    return act_button("Share", "share-symbol", code=code)


def _share(services: Services, actor: Actor, act: Act) -> None:
    services.accounts.share(actor, act.value("code"), current_origin())


def _unshare(services: Services, actor: Actor, act: Act) -> None:
    services.accounts.unshare(actor, act.value("code"), current_origin())


ACTS: Mapping[str, Doing[list[Node]]] = {"share-symbol": _share, "unshare-symbol": _unshare}
