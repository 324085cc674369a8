"""The programs of Snyk and Trivy: as pinned or not at all, and only where their key is."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery import scanner_programs
from delivery.errors import DeliveryError
from delivery.scanner_programs import PINNED, fetched, program
from tests.test_delivery.scripted_server import Reply, Script, scripted
from tests.test_delivery.workflow_run import Repository, Run, pull_request, pushed

HERE = f"{platform.system()}-{platform.machine()}"
PROGRAM = b"#!/bin/sh\necho run\n"


def packed(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def pin(url: str, content: bytes) -> dict[str, Any]:
    file = {"url": url, "sha256": hashlib.sha256(content).hexdigest()}
    return {"version": "1.2.3", "files": {HERE: file}}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kept"
    monkeypatch.setattr(scanner_programs, "KEPT", folder)
    return folder


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted(Reply(body=PROGRAM)) as script:
        yield script


def test_a_program_is_fetched_once_and_can_be_run(server: Script) -> None:
    pinned = pin(f"{server.url}/snyk-linux", PROGRAM)
    first = fetched("snyk", pinned)
    assert (first.name, first.read_bytes(), first.stat().st_mode & 0o777) == (
        *("snyk", PROGRAM, 0o755),
    )
    assert fetched("snyk", pinned) == first
    assert [one.path for one in server.received] == ["/snyk-linux"]


def test_a_packed_program_is_taken_out(server: Script) -> None:
    archive = packed("trivy", PROGRAM)
    server.replies = [Reply(body=archive)]
    found = fetched("trivy", pin(f"{server.url}/trivy.tar.gz", archive))
    assert found.read_bytes() == PROGRAM


def test_a_program_with_another_sum_is_never_written(server: Script, kept: Path) -> None:
    with pytest.raises(DeliveryError, match=r"has the sum .*, pinned is .*; not installed"):
        fetched("snyk", pin(f"{server.url}/snyk", PROGRAM + b"more"))
    assert not kept.exists()


@pytest.mark.parametrize(
    "reply", [Reply(404, "no"), Reply(body=PROGRAM, cut=True), Reply(drop=True)], ids=str
)
def test_a_download_that_fails_says_so_in_one_line(
    server: Script, kept: Path, reply: Reply
) -> None:
    server.replies = [reply]
    with pytest.raises(DeliveryError, match="snyk") as failure:
        fetched("snyk", pin(f"{server.url}/snyk", PROGRAM))
    assert "\n" not in str(failure.value) and not kept.exists()


def test_a_download_that_trickles_is_given_up(
    server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner_programs, "LONGEST_SECONDS", -1)
    with pytest.raises(DeliveryError, match="took longer"):
        fetched("snyk", pin(f"{server.url}/snyk", PROGRAM))


def test_a_platform_that_is_not_pinned_is_told_which_are() -> None:
    pinned = {"version": "1", "files": {"Plan9-mips": {"url": "x", "sha256": "y"}}}
    with pytest.raises(DeliveryError, match=f"pinned for Plan9-mips, not for {HERE}"):
        fetched("snyk", pinned)


def test_one_that_is_installed_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "snyk"
    own.write_bytes(PROGRAM)
    own.chmod(0o755)
    assert program("snyk", {"PATH": str(tmp_path)}) == str(own)


def test_one_that_nothing_pins_has_to_be_installed() -> None:
    with pytest.raises(DeliveryError, match="scan-o-mat is not installed"):
        program("scan-o-mat", {"PATH": ""})


def test_each_file_is_pinned_to_a_version_and_a_sum() -> None:
    table = json.loads(PINNED.read_text())
    assert set(table) == {"snyk", "trivy"}
    platforms = {"Linux-x86_64", "Linux-aarch64", "Darwin-x86_64", "Darwin-arm64"}
    sums = set()
    for name, one in table.items():
        assert set(one["files"]) == platforms
        for file in one["files"].values():
            assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
            assert file["url"].startswith("https://") and f"/v{one['version']}/" in file["url"]
            assert name in file["url"]
            sums.add(file["sha256"])
    assert len(sums) == 8


# Programs that want what the real ones do, and find nothing. The real Snyk, whose part for Python
# was run apart, asks the Python of --command for the packages of the lock.
SNYK = f"""#!{sys.executable}
import json, os, subprocess, sys
given = dict(word.split("=", 1) for word in sys.argv[2:])
assert sys.argv[1] == "test" and given["--file"] == "requirements.txt" and os.environ["SNYK_TOKEN"]
subprocess.run([given["--command"], "-c", "import dash, psycopg2"], check=True)
report = {{"vulnerabilities": [], "ok": True, "dependencyCount": 41}}
json.dump(report, open(given["--json-file-output"], "w"))
"""
TRIVY = f"""#!{sys.executable}
import json, os, sys
assert sys.argv[1] == "filesystem" and os.environ["TRIVY_TOKEN"]
result = {{"Target": "requirements.txt", "Packages": [{{"Name": "flask"}}] * 42}}
report = {{"SchemaVersion": 2, "Results": [result]}}
json.dump(report, open(sys.argv[sys.argv.index("--output") + 1], "w"))
"""
# Those that always run, but not here: what they say is proved where they are tested.
OTHERS = {
    "pip-audit": {"dependencies": [{"name": "flask", "version": "3.1", "vulns": []}]},
    "semgrep": {"errors": [], "paths": {"scanned": ["src/x.py"]}, "results": []},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One with a Makefile and scanners of its own; only what bandit finds was accepted."""
    made = Repository(tmp_path_factory.mktemp("scanners"))
    made.own("Makefile", "delivery", "tools")
    accepted = made.folder / "delivery" / "accepted-findings.json"
    entries = json.loads(accepted.read_text())
    accepted.write_text(json.dumps([one for one in entries if one["finding"].startswith("bandit")]))
    for name, report in OTHERS.items():
        path = made.folder.parent / "others" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open(sys.argv[sys.argv.index('--output') + 1], 'w').write({json.dumps(report)!r})\n"
        )
        path.chmod(0o755)
    return made


def secured(repository: Repository, payload: dict[str, Any], **secrets: str) -> Run:
    """The job `security` with the real `make security`."""
    none = {"SECURITY_TOKEN": "", "SNYK_TOKEN": "", "TRIVY_TOKEN": ""}
    return repository.run(
        "ci.yml",
        "push" if "commits" in payload else "pull_request",
        payload,
        job="security",
        real={"make security"},
        environment={"MLTRADING_TEST_TOOLS": str(repository.folder.parent / "others")},
        secrets={**none, **secrets},
    )


def pin_at(repository: Repository, server: Script, *, snyk: bytes, trivy: bytes) -> None:
    table = {
        "snyk": pin(f"{server.url}/snyk-linux", snyk),
        "trivy": pin(f"{server.url}/trivy.tar.gz", trivy),
    }
    (repository.folder / "delivery" / PINNED.name).write_text(json.dumps(table))


@pytest.mark.tools
def test_ci_installs_and_runs_snyk_and_trivy_where_their_tokens_are(repository: Repository) -> None:
    archive = packed("trivy", TRIVY.encode())
    with scripted(Reply(body=SNYK.encode()), Reply(body=archive)) as server:
        pin_at(repository, server, snyk=SNYK.encode(), trivy=archive)
        run = secured(repository, pushed("main"), SNYK_TOKEN="k3y-of-snyk", TRIVY_TOKEN="k3y-two")
    assert run.passed, run.log
    assert [one.path for one in server.received] == ["/snyk-linux", "/trivy.tar.gz"]
    assert "| snyk | 41 packages | 0 | 0 | clean |" in run.log
    assert "| trivy | 42 packages | 0 | 0 | clean |" in run.log
    assert "| safety | - | - | - | skipped: no key: SECURITY_TOKEN" in run.log
    assert "k3y-" not in run.log + str([one.headers for one in server.received])


@pytest.mark.tools
def test_ci_fetches_nothing_without_a_token_and_says_what_was_skipped(
    repository: Repository,
) -> None:
    with scripted(Reply(body=b"")) as server:
        pin_at(repository, server, snyk=b"", trivy=b"")
        run = secured(repository, pull_request())  # of a fork, say: GitHub gives it no secret
    assert run.passed, run.log
    assert server.received == []
    for name in ("snyk", "trivy"):
        key = f"{name.upper()}_TOKEN"
        assert f"| {name} | - | - | - | skipped: no key: {key} is not set |" in run.log


@pytest.mark.tools
def test_ci_is_red_where_a_program_is_not_the_pinned_one(repository: Repository) -> None:
    with scripted(Reply(body=b"another program")) as server:
        pin_at(repository, server, snyk=SNYK.encode(), trivy=b"")
        run = secured(repository, pushed("main"), SNYK_TOKEN="k3y-of-snyk")
    assert not run.passed
    assert "the security gate is closed: snyk: it failed: snyk: " in run.log
    assert "not installed" in run.log
