"""The bundled sample is what its provenance says."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from mltrading.adapters.sources import sample
from mltrading.domain.bars import Interval
from tests.test_adapters.tables import read


def test_the_file_is_the_one_whose_origin_is_recorded() -> None:
    record = sample.FILE.with_name("PROVENANCE.txt").read_text(encoding="utf-8")
    found = hashlib.sha256(sample.FILE.read_bytes()).hexdigest()
    assert re.search(rf"{found}\s+{sample.FILE.name}", record)


def test_every_row_is_good_and_named() -> None:
    bars, refused, file = read(sample.FILE)
    assert (len(bars), refused) == (12_154, [])
    assert file.interval is Interval.D1
    assert [symbol.code for symbol in file.symbols] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert all(
        symbol.name and symbol.sector and symbol.industry and symbol.exchange
        for symbol in file.symbols
    )


def test_a_real_crash_beside_a_real_split_is_untouched() -> None:
    bars, _, _ = read(sample.FILE)
    apple = bars[slice(0, 3270)]
    change = apple.close[1:] / apple.close[:-1] - 1
    days = apple.ts[1:].view("M8[us]").astype("M8[D]").astype(str)
    falls = {day: round(float(change[days == day][0]), 3) for day in ("2000-09-29", "2005-02-28")}
    assert falls == {"2000-09-29": -0.519, "2005-02-28": -0.496}
    adjusted = apple.adj_close[1:] / apple.adj_close[:-1] - 1
    assert adjusted[days == "2005-02-28"] > -0.05  # the split is adjusted for
    np.testing.assert_allclose(adjusted[days == "2000-09-29"], -0.519, atol=1e-3)
