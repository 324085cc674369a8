"""Spans cost nothing until somebody wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mltrading.utils import tracing

pytestmark = pytest.mark.smoke


def test_a_span_is_what_whoever_traces_opens_and_nothing_afterwards() -> None:
    opened: list[tuple[object, ...]] = []

    @contextmanager
    def span(kind: str, name: str, attributes: dict[str, tracing.Attributes]) -> Iterator[None]:
        opened.append((kind, name, attributes))
        yield

    with tracing.span("service", "before"):
        pass
    tracing.begin(span)
    try:
        assert tracing.tracing()
        with tracing.span("service", "market.chart", rows=5):
            pass
    finally:
        tracing.end()
    with tracing.span("service", "after"):
        pass
    assert opened == [("service", "market.chart", {"rows": 5})]
    assert not tracing.tracing()
