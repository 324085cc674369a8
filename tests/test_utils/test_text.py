from __future__ import annotations

import pytest

from mltrading.utils.text import nearest, one_line

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("word", "expected"),
    [("APPL", "AAPL"), ("aapl", "AAPL"), ("MSFT", "MSFT"), ("MSTF", "MSFT"), ("ZZZZ", None)],
)
def test_nearest_forgives_a_typing_error(word: str, expected: str | None) -> None:
    assert nearest(word, ["AAPL", "MSFT", "IBM"]) == expected


def test_nearest_of_nothing_is_nothing() -> None:
    assert nearest("AAPL", []) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (" a\n\tb\r\n c ", "a b c"),
        ("a\x1b[31mb\x00c", "a [31mb c"),
        ("Zürich\u2028Börse", "Zürich Börse"),
        ("", ""),
    ],
)
def test_one_line_has_no_break_and_no_control(text: str, expected: str) -> None:
    assert one_line(text) == expected
