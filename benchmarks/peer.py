"""The peer: the plain Dash app that the usual tutorial stack gives, measured beside ours.

It reads the whole window with pandas.read_sql and hands it to Candlestick, as dash, plotly,
pandas and psycopg2 are used when nothing else is said. Same database, same rows, same WSGI path
(one callback POST through the test client), so only the approach differs.
"""

from __future__ import annotations

import time
from typing import Any

import dash
import pandas as pd
import psycopg2
from plotly.graph_objects import Candlestick, Figure
from sqlalchemy import create_engine, text


def create_peer(url: str) -> dash.Dash:
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url))
    app = dash.Dash("peer", compress=False)
    app.layout = dash.html.Div([dash.dcc.Input(id="symbol"), dash.dcc.Graph(id="chart")])

    @app.callback(dash.Output("chart", "figure"), dash.Input("symbol", "value"))
    def draw(symbol: str) -> Any:
        query = text(
            "SELECT ts, open, high, low, close, volume FROM bars_1m JOIN symbols ON id = symbol_id"
            " WHERE code = :code ORDER BY ts"
        )
        frame = pd.read_sql(query, engine, params={"code": symbol})
        return Figure(
            Candlestick(
                x=frame["ts"],
                open=frame["open"],
                high=frame["high"],
                low=frame["low"],
                close=frame["close"],
            )
        )

    app._setup_server()
    return app


def chart(app: dash.Dash, symbol: str) -> tuple[float, int]:
    """Seconds of server time and bytes of one chart of the symbol's whole minute history."""
    payload = {
        "output": "chart.figure",
        "outputs": {"id": "chart", "property": "figure"},
        "inputs": [{"id": "symbol", "property": "value", "value": symbol}],
        "changedPropIds": ["symbol.value"],
    }
    client = app.server.test_client()
    started = time.perf_counter()
    answer = client.post("/_dash-update-component", json=payload)
    seconds = time.perf_counter() - started
    if answer.status_code != 200:
        raise RuntimeError(f"the peer answered {answer.status_code}")
    return seconds, len(answer.data)
