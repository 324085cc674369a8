"""Resident memory of a web worker after 1,000 mixed views, and of the idle embedded server."""

from __future__ import annotations

import itertools
from typing import Any

import psutil
import requests

from benchmarks.callbacks import PATH, payload
from benchmarks.report import Row, budget

MB = 1_000_000
VIEWS = 1_000
CHARTS = (
    "range=1Y&indicators=sma:20,bbands:20:2,rsi:14",
    "interval=1d&range=5Y&type=line&indicators=macd:12:26:9",
    "range=ALL&scale=log&indicators=ema:200,stoch:14:3:3,adx:14",
    "interval=1m&range=1W&type=ohlc&indicators=vwap,atr:14,obv",
)


def worker(url: str, master_pid: int) -> list[Row]:
    """Every kind of view in turn over HTTP, then the largest worker of gunicorn's."""
    session = requests.Session()
    listed = session.get(f"{url}/_dash-dependencies", timeout=30).json()
    codes = ("AAPL", "IBM", "MSFT", "GOOG", "FB")
    for number, (code, chart) in zip(
        range(VIEWS), itertools.cycle(itertools.product(codes, CHARTS))
    ):
        path, search = _view(number, code, chart)
        _ask(session, url, listed, path, search, number)
    resident = [p.memory_info().rss / MB for p in psutil.Process(master_pid).children()]
    return [budget("memory of a web worker", max(resident))]


def _view(number: int, code: str, chart: str) -> tuple[str, str]:
    if number % 10 == 8:
        return "/", f"?q={code[:2]}&sort=change_1d"
    if number % 10 == 9:
        return "/compare", f"?symbols={code},IBM,MSFT&range=5Y"
    return "/charts", f"?symbol={code}&{chart}"


_DRAWN_BY = {
    "/": "overview-drawn.data",
    "/charts": "chart-answer.data",
    "/compare": "compare-chart.figure",
}


def _ask(
    session: requests.Session,
    url: str,
    listed: list[dict[str, Any]],
    path: str,
    search: str,
    n: int,
) -> None:
    """One callback POST, as the browser sends it for that address."""
    address = {"path": path, "search": search, "n": n}
    body = payload(listed, _DRAWN_BY[path], {"address": address})
    answer = session.post(url + PATH, json=body, timeout=30)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}{search} answered {answer.status_code}")


def database(folder: str) -> list[Row]:
    """Proportional memory (shared pages counted once) of the idle server on `folder`."""
    servers = [
        p for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])
    ]
    tree = {c for p in servers for c in (p, *p.children(recursive=True))}
    megabytes = sum(p.memory_full_info().pss for p in tree if _is_server(p)) / MB
    return [budget("memory of the idle database", megabytes)]


def _is_server(process: psutil.Process) -> bool:
    return process.name().startswith("postgres")
