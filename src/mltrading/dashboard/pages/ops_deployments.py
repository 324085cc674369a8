"""Ops: which release runs, how the pipeline that made it is, and which switches are in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_frame import Drawn, Query, Section, page_of
from mltrading.dashboard.pages.ops_parts import (
    amount,
    cell,
    met,
    number,
    row,
    stamp,
    table,
    unknown,
)
from mltrading.services.ports import Deployment
from mltrading.services.ports.operations import PipelineMetric

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/ops/deployments"
COMMIT_DIGITS = 12


def draw(services: Services, query: Query) -> Drawn:
    actor, asked = current_actor(), services.operations
    return Drawn(
        {
            "ops-deployments": _deployments(asked.deployments(actor)),
            "ops-pipeline": _pipeline(asked.pipeline(actor) or ()),
            "ops-flags": _flags(asked.features(actor)),
        }
    )


def _deployments(deployments: Sequence[Deployment]) -> list[Node]:
    rows = [
        row(
            stamp(one.finished_at),
            cell(one.environment),
            cell(one.version),
            cell(one.release or unknown("the platform told no name of it")),
            cell(
                el("code", one.commit[:COMMIT_DIGITS], title=one.commit)
                if one.commit
                else unknown("nobody told the commit")
            ),
        )
        for one in deployments
    ]
    nothing = "None is recorded: the release phase does it (mltrading release)."
    heads = ("Time (UTC)", "Environment", "Version", "Release", "Commit")
    return [
        el("h2", "Deployments"),
        *table("ops-deployments-table", heads, rows, nothing, stacked=True),
    ]


def _pipeline(metrics: Sequence[PipelineMetric]) -> list[Node]:
    rows = [
        row(
            one.name,
            number(one.value, amount(one.value, one.unit)),
            cell(one.target or "—"),
            cell(met(one.met, "it has no target that a figure meets")),
            cell(stamp(one.measured_at)),
        )
        for one in metrics
    ]
    nothing = "Not known: the delivery jobs have stored nothing yet (mltrading pipeline FILE)."
    heads = ("Figure", ">Value", "Target", "Kept", "Measured (UTC)")
    return [
        el("h2", "Pipeline"),
        *table("ops-pipeline-table", heads, rows, nothing, stacked=True),
    ]


def _flags(in_force: Sequence[tuple[str, str, str]]) -> list[Node]:
    rows = [row(name, cell(value), cell(where)) for name, value, where in in_force]
    heads = ("Setting", "Value", "From")
    return [el("h2", "In force"), *table("ops-flags-table", heads, rows, "", stacked=True)]


PAGE = page_of(
    Section(
        PATH,
        "Deployments",
        draw,
        ("ops-deployments", "ops-pipeline", "ops-flags"),
        ranged=False,
    )
)
