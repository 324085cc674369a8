"""What the server of a release answers, over HTTP, about whatever data it holds."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import pytest

from delivery.smoke import smoke
from delivery.smoke_login import Account
from tests.callback_client import Answer, CallbackClient


def charted(client: CallbackClient, search: str) -> Answer:
    address = {"path": "/charts", "search": search, "n": 3}
    return client.fire("chart-answer.data", "address.data", **{"address.data": address})


def figure(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.text[:300]
    found: dict[str, Any] = answer["chart-answer.data"]["figure"]
    return found


def test_smoke(live_url: str, account: Account | None, capsys: pytest.CaptureFixture[str]) -> None:
    commit = os.environ.get("MLTRADING_TEST_COMMIT") or None
    done = smoke(live_url, commit=commit, account=account, wait_seconds=60)
    assert all(check.passed for check in done)


def test_a_chart_holds_bars_that_can_be(client: CallbackClient, symbols: list[str]) -> None:
    for code in symbols[:2]:
        shown = figure(charted(client, f"?symbol={quote(code)}"))
        bars = next(trace for trace in shown["data"] if trace["type"] == "candlestick")
        prices = list(zip(*(bars[n] for n in ("low", "open", "close", "high")), strict=True))
        assert prices, f"no bar of {code}"
        assert all(low <= min(o, c) <= max(o, c) <= high for low, o, c, high in prices)
        runs = shown["layout"]["meta"]["ts"]["runs"]
        assert all(step > 0 for step, _ in runs)
        assert 1 + sum(count for _, count in runs) >= len(prices)
        assert shown["layout"]["meta"]["symbol"] == code


def test_an_answer_names_the_question(client: CallbackClient, symbols: list[str]) -> None:
    assert charted(client, f"?symbol={quote(symbols[0])}")["chart-answer.data"]["n"] == 3


def test_an_indicator_is_drawn(client: CallbackClient, symbols: list[str]) -> None:
    plain = figure(charted(client, f"?symbol={quote(symbols[0])}&range=ALL"))["data"]
    more = figure(charted(client, f"?symbol={quote(symbols[0])}&range=ALL&indicators=ema:5"))
    assert len(more["data"]) == len(plain) + 1
    assert "EMA 5" in json.dumps([trace.get("name") for trace in more["data"]])


def test_two_symbols_are_compared(client: CallbackClient, symbols: list[str]) -> None:
    pair = ",".join(map(quote, symbols[:2]))
    address = {"path": "/compare", "search": f"?symbols={pair}&range=ALL", "n": 1}
    answer = client.fire("compare-chart.figure", "address.data", **{"address.data": address})
    names = {trace["name"] for trace in answer["compare-chart.figure"]["data"] if trace.get("y")}
    assert set(symbols[:2]) <= names


def test_the_search_finds_a_symbol(client: CallbackClient, symbols: list[str]) -> None:
    sought = {"text": symbols[0], "n": 1}
    answer = client.fire("search-found.data", "search-enter.data", **{"search-enter.data": sought})
    assert answer["search-found.data"] == {"code": symbols[0], "n": 1}


def test_an_unknown_symbol_is_said_and_no_other_is_shown(client: CallbackClient) -> None:
    answer = charted(client, "?symbol=NO-SUCH-SYMBOL")
    assert figure(answer)["data"] == []
    assert "NO-SUCH-SYMBOL" in json.dumps(answer["chart-message.children"])


def test_a_request_of_no_browser_is_refused_in_a_line(client: CallbackClient) -> None:
    answer = client.post({"output": "nothing.children", "inputs": []})
    assert answer.status == 400
    assert answer.text == "no callback has that output\n"
