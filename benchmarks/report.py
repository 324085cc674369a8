"""Rows of the benchmark table, and how they are printed and kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mltrading.adapters.budgets import read_budgets


@dataclass(frozen=True)
class Row:
    """One comparison measured in one run: `ratio` is ours over other, `bound` what it should be."""

    name: str
    ours: float
    other: float
    what: str  # what the other is, with its unit
    ratio: float
    bound: str = ""


LIMITS = {budget.name: budget for budget in read_budgets()}
"""What the dashboard may take, from the one file of it (src/mltrading/budgets.toml)."""


def budget(name: str, measured: float, detail: str = "") -> Row:
    """A measured figure, in the unit of the budget of that name, beside its limit."""
    known = LIMITS[name]
    title = f"{name}{f' ({detail})' if detail else ''}, {known.unit}"
    return row(title, measured, known.limit, "limit", "<= 1")


def unmeasured(rows: list[Row]) -> list[str]:
    """The budgets that no row is about."""
    return [name for name in LIMITS if not any(one.name.startswith(name) for one in rows)]


def missed(rows: list[Row]) -> list[str]:
    """The rows that are not as they should be, and the budgets that nobody measured."""
    found = [r.name for r in rows if r.bound.startswith("<= ") and r.ratio > float(r.bound[3:])]
    found += [r.name for r in rows if r.bound.startswith(">= ") and r.ratio < float(r.bound[3:])]
    return found + [f"{name} (not measured)" for name in unmeasured(rows)]


def row(name: str, ours: float, other: float, what: str, bound: str = "") -> Row:
    return Row(name, round(ours, 3), round(other, 3), what, round(ours / other, 5), bound)


def show(rows: list[Row]) -> str:
    lines = [f"{'what is measured':52} {'ours':>12} {'other':>12} {'ratio':>9}  the other; bound"]
    for r in rows:
        ratio = f"{r.ratio:9.4f}" if r.ratio < 0.1 else f"{r.ratio:9.2f}"
        lines.append(f"{r.name:52} {r.ours:12,.2f} {r.other:12,.2f} {ratio}  {r.what}; {r.bound}")
    return "\n".join(lines)


def keep(rows: list[Row], path: Path) -> None:
    path.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
