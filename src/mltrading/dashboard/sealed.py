"""Answers turned into JSON once. Dash looks at every number of an answer in Python when a component
is anywhere in it; what is sealed here passes through as the bytes it is."""

from __future__ import annotations

from typing import Any

import orjson
from dash.development.base_component import Component


def sealed(value: Any) -> orjson.Fragment:
    """`value` (components, figures, plain data) as finished JSON, NaN as null. A TypeError for
    anything that is no JSON, NumPy included: figures hold plain lists."""
    return orjson.Fragment(orjson.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.to_plotly_json()
    raise TypeError(f"{type(value).__name__} has no place in an answer")
