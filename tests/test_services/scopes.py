"""Every question that a user can ask of a market of look-alikes, and all the words of an answer.

The codes differ in one letter, so that each is the nearest of every other, and no name, sector or
industry is part of another text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mltrading.domain.access import Actor, Role
from mltrading.domain.bars import Bars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import MLTradingError, UnknownSymbol
from mltrading.services.market import Market
from mltrading.services.ports import SymbolDetails
from tests.factories import make_symbol_details
from tests.test_services.markets import daily

VIEWER = Actor("viewer-1", Role.VIEWER.permissions)
ANALYST = Actor("analyst-1", Role.ANALYST.permissions)
CODES = ("LIKEA", "LIKEB", "LIKEC", "LIKED")
UNKNOWN = "LIKEZ"
WITHOUT_BARS = "LIKED"
SUBSETS = [
    frozenset(chosen) for size in range(len(CODES) + 1) for chosen in combinations(CODES, size)
]
"""All sets of symbols that could be shared."""


@dataclass(frozen=True)
class Question:
    """A verb of the market with what it is asked for; `codes` are named in it."""

    verb: str
    asked: tuple[object, ...]
    codes: tuple[str, ...] = ()

    def put(self, market: Market, actor: Actor) -> object:
        """The answer, which may be a refusal."""
        try:
            return getattr(market, self.verb)(actor, *self.asked)
        except MLTradingError as error:
            return error


def details(code: str) -> SymbolDetails:
    letter = code[-1]
    return make_symbol_details(
        code, name=f"Nom{letter}", sector=f"Sect{letter}", industry=f"Ind{letter}"
    )


def bars(code: str) -> Bars:
    """A year of days of its own; none of the symbol that was only ever listed."""
    if code == WITHOUT_BARS:
        return Bars.empty()
    return daily("2023-07-03", "2024-07-04", seed=ord(code[-1]))


def questions() -> list[Question]:
    """All kinds of questions, about what is stored and what is not."""
    everyone = [Question("compare", (CompareView((*CODES, UNKNOWN)),), (*CODES, UNKNOWN))]
    everyone += [Question("chart", (ChartView(),)), Question("compare", (CompareView(),))]
    for text in ("", "like", "nom", "nothing like it"):
        everyone.append(Question("find", (text,)))
        everyone.append(Question("overview", (OverviewQuery(q=text, sort="close"),)))
    return everyone + [question for code in (*CODES, UNKNOWN) for question in about(code)]


def about(code: str) -> list[Question]:
    """Questions that name one symbol."""
    letter, other = code[-1], CODES[0]
    sector = OverviewQuery(sector=f"Sect{letter}", industry=f"Ind{letter}")
    return [
        Question("chart", (ChartView(code),), (code,)),
        Question("chart", (ChartView(code.lower()),), (code.lower(),)),
        Question("compare", (CompareView((code,)),), (code,)),
        Question("compare", (CompareView((other, code)),), (other, code)),
        Question("find", (code,), (code,)),
        Question("find", (f"Nom{letter}",), (f"Nom{letter}",)),
        Question("overview", (OverviewQuery(q=code),), (code,)),
        Question("overview", (sector,), (f"Sect{letter}", f"Ind{letter}")),
    ]


def words(answer: object, *asked: str) -> str:
    """All words of an answer, with what was asked as "?", for an answer may repeat that."""
    text = "\n".join(fact for fact in facts(answer) if isinstance(fact, str))
    for part in asked:
        text = text.replace(part, "?")
    return text


def facts(answer: object) -> Iterator[object]:
    """All that an answer tells, without the numbers that the database gave."""
    if isinstance(answer, UnknownSymbol):
        yield from (type(answer).__name__, str(answer), answer.nearest)
    elif isinstance(answer, Exception):
        yield from (type(answer).__name__, str(answer))
    elif dataclasses.is_dataclass(answer):
        for field in dataclasses.fields(answer):
            if field.name not in ("id", "version"):
                yield from facts(getattr(answer, field.name))
    elif isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from facts(key)
            yield from facts(value)
    elif isinstance(answer, list | tuple):
        for part in answer:
            yield from facts(part)
    elif isinstance(answer, np.ndarray):
        yield answer.tobytes()
    else:
        yield answer if isinstance(answer, str | int | None) else repr(answer)
