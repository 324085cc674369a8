"""Put the product under load and print what it bore (`make bench-load SECONDS=180`)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load.phases import MANY, Load
from benchmarks.load.product import running
from benchmarks.load.report import Row, keep, missed, show

RESULTS = Path(__file__).parents[1] / "load.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="make bench-load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="of 50 users (default: 180)")
    seconds = parser.parse_args(arguments).seconds
    if not 1 <= seconds <= 86_400:
        parser.error("--seconds must be 1 to 86400")
    with running(MANY) as product:
        rows = asyncio.run(Load(product, seconds).run())
    keep(rows, RESULTS)
    return conclude(rows)


def conclude(rows: Sequence[Row]) -> int:
    """Print the table; the exit code of what is in it."""
    print(show(rows))
    names = missed(rows)
    print(f"missed: {', '.join(names)}" if names else "every limit is met")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
