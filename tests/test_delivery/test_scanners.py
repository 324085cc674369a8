"""The real scanners: what is planted is found, our own code is clean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from delivery import security
from delivery.__main__ import main
from delivery.findings import SCANNERS, Report, Unreadable, read
from tests.test_delivery.programs import tool

pytestmark = pytest.mark.tools
SCANNER = {scanner.name: scanner for scanner in SCANNERS}
ADVISORY = {
    "id": "PYSEC-2026-4242",
    "modified": "2026-11-01T00:00:00Z",
    "aliases": ["CVE-2026-4242"],
    "details": "A planted advisory.",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "urllib3"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
            "versions": [],
        }
    ],
}


@contextmanager
def advisories(*vulnerable: str) -> Iterator[tuple[str, list[str]]]:
    """A local OSV database with an advisory against each named package; and who was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = query["package"]["name"]
            asked.append(name)
            known = {"versions": [query["version"]]}
            package = {"package": {"ecosystem": "PyPI", "name": name}}
            affected = [{**ADVISORY["affected"][0], **package, **known}]  # type: ignore[index]
            found = [{**ADVISORY, "affected": affected}] if name in vulnerable else []
            content = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audited(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Report:
    """What pip-audit reports of our locks, asking the database at `url`."""
    tool("pip-audit")
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
    main(["security", "--only", "pip-audit", "--folder", str(folder)])
    return read(SCANNER["pip-audit"], folder)


def test_a_planted_advisory_against_a_locked_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with advisories("urllib3") as (url, asked):
        report = audited(tmp_path, monkeypatch, url)
    assert [one.identity for one in report.findings] == ["pip-audit:urllib3:PYSEC-2026-4242"]
    assert "repaired in 99.0" in report.findings[0].detail
    assert {"dash", "urllib3", "pyyaml", "psycopg2-binary"} <= set(asked)
    assert report.audited == len(set(asked))


def test_a_database_that_does_not_answer_is_no_clean_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreadable, match="failed"):
        audited(tmp_path, monkeypatch, "http://127.0.0.1:9/v1/query")


def test_our_own_source_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool("semgrep")  # bandit is beside this Python
    for name in ("bandit", "semgrep"):
        main(["security", "--only", name, "--folder", str(tmp_path)])
    for name in ("safety", "snyk", "trivy"):
        (tmp_path / f"{name}.json").write_text('{"skipped": "not in this test"}')
    package = {"name": "x", "version": "1", "vulns": []}
    (tmp_path / "pip-audit.json").write_text(json.dumps({"dependencies": [package]}))
    # pip-audit's own acceptances are judged where it runs.
    assert main(["security-gate", "--folder", str(tmp_path)]) == 0, capsys.readouterr()
    python = sum(len(list((security.ROOT / each).rglob("*.py"))) for each in security.SOURCES)
    assert read(SCANNER["bandit"], tmp_path).audited == python
    assert read(SCANNER["semgrep"], tmp_path).audited >= python
