"""A viewer asks a market in which nothing else is stored but what was shared with viewers."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from mltrading.domain.access import DEVELOPER, Actor, Permission
from mltrading.domain.bars import Interval
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import (
    DatabaseUnavailable,
    Forbidden,
    NothingShared,
    NothingStored,
    UnknownSymbol,
)
from mltrading.services.market import Market
from tests.memory import MemoryMarket
from tests.test_services.markets import reader, service
from tests.test_services.scopes import (
    ANALYST,
    CODES,
    SUBSETS,
    UNKNOWN,
    VIEWER,
    WITHOUT_BARS,
    Question,
    about,
    bars,
    details,
    facts,
    questions,
    words,
)


def stored(codes: Collection[str] = CODES, shared: Collection[str] = ()) -> MemoryMarket:
    market = MemoryMarket()
    for code in codes:
        about = details(code)
        found = bars(code) if code != WITHOUT_BARS else None
        market.add(
            code, Interval.D1, found, name=about.name, sector=about.sector, industry=about.industry
        )
    market.shared = set(shared)
    return market


@pytest.mark.parametrize("shared", SUBSETS)
def test_an_answer_is_that_of_a_market_without_the_rest(shared: frozenset[str]) -> None:
    whole, alone = service(stored(CODES, shared)), service(stored(sorted(shared), shared))
    for question in questions():
        ours = list(facts(question.put(whole, VIEWER)))
        assert ours == list(facts(question.put(alone, VIEWER))), question


@pytest.mark.parametrize("shared", SUBSETS)
def test_nothing_of_another_symbol_is_in_any_answer(shared: frozenset[str]) -> None:
    market = service(stored(CODES, shared))
    for question in questions():
        said = words(question.put(market, VIEWER), *question.codes)
        for code in set(CODES) - shared:
            letter = code[-1]
            hidden = (code, f"Nom{letter}", f"Sect{letter}", f"Ind{letter}")
            assert not any(word in said for word in hidden), (question, said)


def test_one_who_sees_all_would_be_told() -> None:
    """The two tests above can fail: the same questions of an analyst name what is not shared."""
    market = service(stored())
    said = "".join(words(question.put(market, ANALYST)) for question in questions())
    assert all(word in said for word in (*CODES, "NomB", "SectC", "IndA", "nearest known"))


@pytest.mark.parametrize("shared", [(), ("LIKEA",), ("LIKEA", "LIKEC")])
def test_an_unshared_symbol_is_asked_for_and_answered_as_an_unknown_one(
    shared: tuple[str, ...],
) -> None:
    market = stored(CODES, shared)
    hidden, unknown = [], []
    for told, code in ((hidden, "LIKEB"), (unknown, UNKNOWN)):
        for question in about(code):
            market.asked.clear()
            said = words(question.put(service(market), VIEWER), *question.codes)
            told.append((said, list(market.asked)))
    assert hidden == unknown


def test_a_viewer_sees_what_is_shared_at_once_and_no_longer() -> None:
    market = stored()
    viewed = service(market)
    with pytest.raises(UnknownSymbol, match="^unknown symbol 'LIKEB'; search by code or name$"):
        viewed.chart(VIEWER, ChartView("LIKEB"))
    market.shared.add("LIKEB")
    assert viewed.chart(VIEWER, ChartView()).symbol.code == "LIKEB"
    assert viewed.chart(VIEWER, ChartView("likeb")).symbol.name == "NomB"
    market.shared.clear()
    with pytest.raises(UnknownSymbol):
        viewed.chart(VIEWER, ChartView("LIKEB"))


def test_without_a_share_the_way_out_is_an_administrator_not_an_import() -> None:
    market = service(stored())
    with pytest.raises(NothingShared, match="^no symbol is shared with you yet; ask an admin"):
        market.chart(VIEWER, ChartView())
    said = market.overview(VIEWER, OverviewQuery()).notes
    assert said == ["No symbol is shared with you yet; ask an administrator."]
    with pytest.raises(NothingStored, match="import"):
        service(MemoryMarket()).chart(ANALYST, ChartView())


def test_a_share_without_bars_is_said_so() -> None:
    found = service(stored(shared=[WITHOUT_BARS])).overview(VIEWER, OverviewQuery())
    assert found.notes == ["No symbol that is shared with you has bars yet; ask an administrator."]
    assert found.stored == 0


def test_counts_and_breadth_are_of_the_shared_alone() -> None:
    found = service(stored(shared=["LIKEB"])).overview(VIEWER, OverviewQuery())
    assert (found.stored, found.matching, found.pages) == (1, 1, 1)
    assert [(g.name, g.symbols) for g in (*found.sectors, *found.industries)] == [
        ("SectB", 1),
        ("IndB", 1),
    ]


def test_whoever_may_see_nothing_is_refused_before_anything_is_read() -> None:
    market = stored(shared=CODES)
    guest = Actor("guest", frozenset({Permission.EXPORT_DATA}))
    for question in questions():
        assert isinstance(question.put(service(market), guest), Forbidden), question
    assert not market.asked


class Views:
    """A log of views that tells what it was told."""

    def __init__(self, broken: Exception | None = None) -> None:
        self.told: list[tuple[str, tuple[str, ...], str]] = []
        self._broken = broken

    def viewed(self, actor: Actor, codes: Collection[str], how: str) -> None:
        if self._broken:
            raise self._broken
        self.told.append((actor.id, tuple(codes), how))


def test_what_was_shown_is_noted_by_its_own_code_and_refusals_are_not() -> None:
    views = Views()
    market = Market(reader(stored(shared=["LIKEA", "LIKEB"])), views)
    for question in (
        Question("chart", (ChartView("likea"),)),
        Question("chart", (ChartView("LIKEC"),)),
        Question("compare", (CompareView(("LIKEC", "likeb", "LIKEA")),)),
        Question("overview", (OverviewQuery(),)),
        Question("find", ("like",)),
        Question("compare", (CompareView(("LIKEC",)),)),
    ):
        question.put(market, VIEWER)
    assert views.told == [
        ("viewer-1", ("LIKEA",), "chart"),
        ("viewer-1", ("LIKEB", "LIKEA"), "compare"),
        ("viewer-1", ("overview",), "overview"),
    ]


def test_of_the_developer_nothing_is_noted() -> None:
    """Where nobody signs in there is nobody to name, and a chart asks for nothing more."""
    market = Market(reader(stored()), Views(AssertionError("asked")))
    for verb, view in (("chart", ChartView("LIKEA")), ("overview", OverviewQuery())):
        assert not isinstance(Question(verb, (view,)).put(market, DEVELOPER), Exception)


def test_what_can_not_be_noted_is_not_shown() -> None:
    lost = DatabaseUnavailable("the database does not answer")
    market = Market(reader(stored()), Views(lost))
    for verb, view in (("chart", ChartView("LIKEA")), ("overview", OverviewQuery())):
        assert Question(verb, (view,)).put(market, ANALYST) is lost
