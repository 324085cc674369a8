"""Sealed answers are the JSON that Dash would have sent."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from dash import html
from dash._utils import to_json

from mltrading.dashboard.sealed import sealed


def test_a_sealed_answer_is_what_dash_sends_for_the_same_value() -> None:
    tree = {"children": [html.B("x", id={"type": "a", "n": 1}), "é<&>", None, 1.5, True]}
    assert orjson.loads(to_json({"answer": sealed(tree)})) == orjson.loads(
        to_json({"answer": tree})
    )


def test_missing_numbers_travel_as_null() -> None:
    assert orjson.dumps(sealed([1.0, float("nan"), float("inf")])) == b"[1.0,null,null]"


@pytest.mark.parametrize("leaked", [np.arange(3), np.bool_(True), np.float32(1)])
def test_numpy_in_a_figure_is_an_error(leaked: object) -> None:
    with pytest.raises(TypeError):
        sealed({"data": [{"y": leaked}]})
