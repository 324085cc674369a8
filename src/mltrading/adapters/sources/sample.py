"""The bundled sample: real daily bars in the public domain (data/PROVENANCE.txt)."""

from __future__ import annotations

from pathlib import Path

from mltrading.domain.bars import Interval
from mltrading.services.ports import ReadOptions, Source

FILE = Path(__file__).parent / "data" / "stocks.csv.gz"
SOURCE = Source("sample", "Quandl WIKI", "public domain")
OPTIONS = ReadOptions(now=0, interval=Interval.D1)
