"""What every check of a release speaks of: one round, its outcome, and what an answer is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from delivery.visit import Reply, Visitor

if TYPE_CHECKING:
    from delivery.smoke_login import Account

STARTING = (502, 503, 504)  # what a router or a process answers while a release starts


class Wrong(Exception):
    """One thing is not as expected. `starting`: a release that starts may answer like this."""

    def __init__(self, expected: str, found: str, *, starting: bool = False) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.starting = starting


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `detail` says what was seen, and where it failed also what was expected."""

    name: str
    passed: bool
    detail: str
    seconds: float
    starting: bool = False


@dataclass(slots=True)
class Visit:
    """One round of checks on one release; later checks use what earlier ones have read. `account`
    is who signs in, `open` whether a visitor needs not."""

    visitor: Visitor
    commit: str | None
    account: Account | None = None
    open: bool = True
    page: str = ""
    callbacks: list[dict[str, Any]] = field(default_factory=list)


def answered(reply: Reply) -> Reply:
    if reply.status != 200:
        moved = reply.headers.get("location")
        found = f"{reply.status} to {moved}" if moved else f"{reply.status}: {short(reply.text)}"
        raise Wrong(f"200 from {reply.path}", found, starting=reply.status in STARTING)
    return reply


def of_type(reply: Reply, types: Iterable[str]) -> None:
    if reply.media_type not in types:
        raise Wrong(f"{' or '.join(types)} from {reply.path}", short(reply.media_type))


def json_of(reply: Reply) -> Any:
    of_type(answered(reply), ("application/json",))
    try:
        return reply.json()
    except ValueError:
        raise Wrong(f"JSON from {reply.path}", short(reply.text)) from None


def short(value: object) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= 160 else f"{text[:160]}..."
