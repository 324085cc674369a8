"""Injections 18 to 21: what comes in is wrong, nonsense, huge or hostile."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fault_table import Figure
from tests.integration.faults.place import Place, command
from tests.visitors import CALLBACK, HEADER, LiveVisitor

Sql = Callable[[str], list[tuple[object, ...]]]
MEBIBYTE = 1 << 20
MORE_BYTES = 50 * MEBIBYTE
HEAD = "Date,Open,High,Low,Close,Volume\n"
GOOD = ["2024-01-05,10,12,9,11,5", "2024-01-03,10,12,9,11,5", "2024-01-02,10,12,9,11,5"]
BAD = [
    "2024-01-08,nan,12,9,11,5",
    "2024-01-09,10,inf,9,11,5",
    "2024-01-10,10,12,-9,11,5",
    "2024-01-11,10,8,9,11,5",
    "2999-01-03,10,12,9,11,5",
    "2024-01-12,10,12,9,1\x001,5",
]


def test_fault_18_bad_rows_go_into_quarantine_and_good_ones_are_stored_once(
    database_url: str, sql: Sql, tmp_path: Path, figure: Figure
) -> None:
    file = tmp_path / "aapl.csv"
    file.write_text(HEAD + "\n".join([*GOOD, GOOD[1], *BAD]) + "\n")
    counts = []
    for _ in range(2):
        done = command(tmp_path, "import", str(file), "--json", DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr
        counts.append(json.loads(done.stdout))
    stored = sql("SELECT ts::date::text FROM bars_1d ORDER BY ts")
    assert stored == [("2024-01-02",), ("2024-01-03",), ("2024-01-05",)]
    first, again = counts
    assert first["inserted"] == len(GOOD)
    assert (again["inserted"], again["updated"]) == (0, 0)
    assert first["quarantined"] == again["quarantined"] >= len(BAD)
    reasons = sql("SELECT count(DISTINCT reason) FROM quarantine")
    figure(
        f"{first['inserted']} stored, {first['quarantined']} in quarantine for"
        f" {reasons[0][0]} reasons; again: {again['inserted']} stored"
    )


def nonsense(good: bytes) -> Iterator[tuple[str, bytes]]:
    """What a source may answer instead of a file, and the name that it is saved under."""
    yield "aapl.csv", b"<!DOCTYPE html><html><body>429 Too Many Requests</body></html>\n"
    yield "aapl.csv", b'{"error": "rate limit exceeded"}\n'
    yield "aapl.csv", b""
    yield "aapl.csv.gz", gzip.compress(good * 2000)[:-400]
    yield "aapl.parquet", b"PAR1" + good


@pytest.mark.faults
def test_fault_19_what_is_no_data_leaves_the_last_good_marked_stale(
    place: Place, tmp_path: Path, figure: Figure
) -> None:
    """There is no connector that fetches by itself yet: files are what sources give."""
    before = place.sql("SELECT count(*), max(ts) FROM bars_1d")
    refused = 0
    for name, content in nonsense((HEAD + "\n".join(GOOD) + "\n").encode()):
        file = tmp_path / name
        file.write_bytes(content)
        done = command(tmp_path, "import", str(file), DATABASE_URL=place.direct)
        assert done.returncode == 1, (name, content[:40], done.stdout)
        assert "Traceback" not in done.stderr
        refused += 1
    assert place.sql("SELECT count(*), max(ts) FROM bars_1d") == before
    shown = place.visitor().ask("GET", "/export/overview.csv").text.splitlines()
    stale = shown[0].split(",").index("stale")
    [row] = [line.split(",") for line in shown if line.startswith("AAPL,")]
    assert row[stale], "how old it is"
    figure(
        f"no connector yet; {refused} of {refused} files refused, {before[0][0]} bars stay, marked"
        f" '{row[stale]}'"
    )


def resident(place: Place) -> int:
    """Bytes of all workers together."""
    pages = sum(
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in place.app.workers()
    )
    return pages * os.sysconf("SC_PAGE_SIZE")


def send(
    place: Place, visitor: LiveVisitor, size: int, announced: bool, piece: bytes = b"1,2,3,4\n"
) -> int:
    """POST so many bytes to the callbacks; the status. The server need not read them."""
    line = http.client.HTTPConnection("127.0.0.1", place.app.port, timeout=60)
    block, left = piece * (MEBIBYTE // len(piece)), size
    line.putrequest("POST", CALLBACK)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    for name, value in headers_of(visitor, "application/json", Cookie=cookies).items():
        line.putheader(name, value)
    line.putheader(
        *(("Content-Length", str(size)) if announced else ("Transfer-Encoding", "chunked"))
    )
    line.endheaders()
    with suppress(OSError):  # it has answered, and closes
        while left > 0:
            part = block[: min(left, len(block))]
            left -= len(part)
            line.send(part if announced else b"%x\r\n%s\r\n" % (len(part), part))
        if not announced:
            line.send(b"0\r\n\r\n")
    try:
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0  # closed: an answer that was sent is lost with what was not read
    finally:
        line.close()


def headers_of(visitor: LiveVisitor, kind: str, **more: str) -> dict[str, str]:
    return {HEADER: str(visitor.cookies["csrf"]), "Content-Type": kind, **more}


def test_fault_20_huge_requests_are_refused_and_cost_no_memory(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    before = resident(place)
    bomb = gzip.compress(b"[" * (200 * MEBIBYTE), 9)
    deep = b'{"output": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"

    def post(content: bytes, **more: str) -> int:
        headers = headers_of(vera, "application/json", **more)
        return vera.ask("POST", CALLBACK, data=content, headers=headers).status_code

    statuses = {
        "200 MB": send(place, vera, 200 * MEBIBYTE, announced=True),
        "200 MB without a length": send(place, vera, 200 * MEBIBYTE, announced=False),
        "50 MB of JSON": send(place, vera, 50 * MEBIBYTE, True, b'{"a":[1]}'),
        "zip bomb": post(bomb, **{"Content-Encoding": "gzip"}),
        "nested": post(deep),
    }
    more = resident(place) - before
    assert set(statuses.values()) <= {400, 413, 0}, statuses
    assert statuses["nested"] == 400 and statuses["zip bomb"] in (400, 413)
    assert place.well(vera)
    assert more <= MORE_BYTES
    said = ", ".join(f"{name} {status or 'closed'}" for name, status in statuses.items())
    figure(f"{said}; memory {more / MEBIBYTE:+.0f} MiB")


def peak_of(folder: Path, file: Path, url: str) -> tuple[int, int]:
    """Exit code and most bytes of `mltrading import`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mltrading", "import", str(file)],
        env={**os.environ, "DATABASE_URL": url, "MLTRADING_HOME": str(folder / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024


@pytest.mark.faults
def test_fault_20_a_file_that_unpacks_without_end_is_given_up(
    database_url: str, tmp_path: Path, figure: Figure
) -> None:
    small, bomb = tmp_path / "small.csv", tmp_path / "bomb.csv.gz"
    small.write_text(HEAD + "\n".join(GOOD) + "\n")
    row = GOOD[0].encode() + b"\n"
    bomb.write_bytes(gzip.compress(HEAD.encode() + row * (300 * MEBIBYTE // len(row)), 9))
    code, usual = peak_of(tmp_path, small, database_url)
    assert code == 0
    refused, peak = peak_of(tmp_path, bomb, database_url)
    assert refused == 1
    assert peak - usual <= MORE_BYTES
    figure(f"bomb of a file refused, memory {(peak - usual) / MEBIBYTE:+.0f} MiB")


HOSTILE = ("'; DROP TABLE symbols--", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "../x")


def test_fault_21_hostile_symbols_are_text(place: Place, figure: Figure) -> None:
    vera = place.visitor()
    place.sql("UPDATE symbols SET name = '=1+1', sector = '@SUM(A1)' WHERE code = 'GS'")
    before = place.sql("SELECT count(*) FROM symbols")
    statuses = set()
    for symbol in HOSTILE:
        page = vera.ask("GET", "/charts", params={"symbol": symbol})
        file = vera.ask("GET", "/export/chart.csv", params={"symbol": symbol})
        found = vera.fire(
            {
                "output": "search-found.data",
                "outputs": {"id": "search-found", "property": "data"},
                "inputs": [
                    {"id": "search-enter", "property": "data", "value": {"text": symbol, "n": 1}}
                ],
                "state": [],
                "changedPropIds": ["search-enter.data"],
            }
        )
        assert page.status_code == 200 and symbol not in page.text
        assert file.status_code in (400, 404) and file.headers["Content-Type"].startswith(
            "text/plain"
        )
        assert found.status_code == 200
        assert found.headers["Content-Type"].startswith("application/json")
        statuses |= {page.status_code, file.status_code, found.status_code}
    lines = vera.ask("GET", "/export/overview.csv").text.splitlines()
    [row] = [line for line in lines if line.startswith("GS,")]
    assert ",'=1+1," in row and ",'@SUM(A1)," in row
    assert place.sql("SELECT count(*) FROM symbols") == before
    figure(f"{len(HOSTILE)} symbols, answers {sorted(statuses)}; =1+1 is written '=1+1")
