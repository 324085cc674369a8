"""The figures of a load, each beside its limit; printed, and kept in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite, nan
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`limit` None: told beside the others, and not judged. `figure` NaN: not measured, which no
    limit forgives."""

    name: str
    figure: float
    unit: str
    limit: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.limit is None else self.figure <= self.limit


def p95(values: Sequence[float]) -> float:
    """What 95 of 100 did not exceed; NaN without any."""
    return sorted(values)[ceil(0.95 * len(values)) - 1] if values else nan


def show(rows: Iterable[Row]) -> str:
    lines = [f"{'what is measured':58} {'figure':>10} {'limit':>10}  met"]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:,.10g}"
        met = {None: "", True: "yes", False: "NO"}[row.met]
        places = 2 if abs(row.figure) < 10 else 1
        figure = f"{row.figure:,.{places}f}" if isfinite(row.figure) else "not known"
        lines.append(f"{f'{row.name}, {row.unit}':58} {figure:>10} {limit:>10}  {met}")
    return "\n".join(lines)


def keep(rows: Iterable[Row], path: Path) -> None:
    found = [
        {**asdict(row), "figure": row.figure if isfinite(row.figure) else None, "met": row.met}
        for row in rows
    ]
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def missed(rows: Iterable[Row]) -> list[str]:
    return [row.name for row in rows if row.met is False]
