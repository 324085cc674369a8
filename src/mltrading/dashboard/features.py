"""What a deployment leaves out of what an address asks for (features of `<environment>.yml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltrading.domain.view import ChartView

if TYPE_CHECKING:
    from mltrading.services import Features


def read_chart(search: str, features: Features) -> tuple[ChartView, list[str]]:
    """The view of Charts in an address, as far as this deployment draws it, and what was left
    out."""
    view, problems = ChartView.parse(search)
    if features.advanced_charts:
        return view, problems
    basic, left_out = view.basic()
    said = f"left out: {', '.join(left_out)}; advanced charts are switched off here"
    return basic, [*problems, *([said] if left_out else [])]
