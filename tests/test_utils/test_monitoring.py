"""`monitor_performance`: every call is counted with its time and its end."""

from __future__ import annotations

import logging

import pytest

from mltrading.errors import DatabaseUnavailable, Forbidden, UnknownSymbol
from mltrading.utils import measures, monitoring
from mltrading.utils.context import Work, working
from mltrading.utils.monitoring import monitor_callback, monitor_performance

pytestmark = pytest.mark.smoke


class PreventUpdate(Exception):
    """Called as Dash calls its own."""


class Desk:
    @monitor_performance
    def trade(self, error: Exception | None = None) -> str:
        """What it does."""
        if error is not None:
            raise error
        return "done"


def counted(*key: str) -> float:
    return {entry.key: entry.value for entry in measures.TALLY.own()}.get(key, 0.0)


def times(*key: str) -> int:
    return sum({e.key: e.counts for e in measures.TALLY.own()}.get(key, ()))


def test_a_call_is_counted_under_the_name_of_the_verb_and_does_what_it_did() -> None:
    before = counted(measures.SERVICE_CALLS, "desk.trade", "ok")
    lasted = times(measures.SERVICE_SECONDS, "desk.trade")
    assert Desk().trade() == "done"
    assert counted(measures.SERVICE_CALLS, "desk.trade", "ok") == before + 1
    assert times(measures.SERVICE_SECONDS, "desk.trade") == lasted + 1
    assert (Desk.trade.__name__, Desk.trade.__doc__) == ("trade", "What it does.")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (DatabaseUnavailable("gone"), "outage"),
        (Forbidden("no"), "forbidden"),
        (UnknownSymbol("no"), "refused"),
        (PreventUpdate(), "unchanged"),
        (ZeroDivisionError(), "error"),
    ],
)
def test_an_error_is_counted_by_whose_it_is_and_goes_on(error: Exception, outcome: str) -> None:
    before = counted(measures.SERVICE_CALLS, "desk.trade", outcome)
    with pytest.raises(type(error)):
        Desk().trade(error)
    assert counted(measures.SERVICE_CALLS, "desk.trade", outcome) == before + 1


def test_a_slow_one_is_told_in_the_log_with_its_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = iter([10.0, 12.5, 20.0, 20.1])
    monkeypatch.setattr(monitoring.time, "perf_counter", lambda: next(ticks))
    with caplog.at_level(logging.INFO):
        Desk().trade()
        Desk().trade()
    assert [record.getMessage() for record in caplog.records] == [
        "desk.trade executed in 2.50s (ok)"
    ]


def test_a_callback_that_failed_in_a_message_counts_as_failed() -> None:
    """Dash hands its error to dashboard/edge.py and answers 200."""
    answer = monitor_callback(lambda: "answer", "chart-answer.data")
    before = counted(measures.CALLBACKS, "chart-answer.data", "outage")
    with working(Work("r" * 32)) as work:
        work.failure = "outage"
        assert answer() == "answer"
    assert work.callback == "chart-answer.data"
    assert counted(measures.CALLBACKS, "chart-answer.data", "outage") == before + 1


def test_a_plain_function_is_called_by_its_own_name() -> None:
    @monitor_performance
    def build() -> None: ...

    before = counted(measures.SERVICE_CALLS, "build", "ok")
    build()
    assert counted(measures.SERVICE_CALLS, "build", "ok") == before + 1
