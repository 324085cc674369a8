"""What is switched on in this deployment, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltrading.dashboard.markup import Node, el, table

if TYPE_CHECKING:
    from mltrading.services import Services


def drawn(services: Services, query: dict[str, str]) -> list[Node]:
    rows = [
        el("tr", el("th", name, scope="row"), el("td", value), el("td", where))
        for name, value, where in services.in_force
    ]
    said = "What this process runs with. A change takes a release: nothing here is edited by click."
    return [
        el("h2", "In force"),
        el("p", said, class_="muted"),
        table("In force", ("Setting", "Value", "From"), rows, "features-table", stacked=True),
    ]
