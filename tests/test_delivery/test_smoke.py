"""The smoke test finds each thing that can be wrong with a release, and waits for one that starts.

The release is the real application over a real database; a fault breaks one answer of it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from delivery.__main__ import main
from delivery.errors import DeliveryError, SmokeFailed
from delivery.smoke import WRONG_ROUNDS, smoke
from delivery.smoke_checks import CHECKS
from delivery.visit import Unreached, Visitor
from delivery.waiting import Clock
from mltrading.app import create_app
from mltrading.settings import load_settings
from tests.browser_fixtures import refuse_or_skip
from tests.test_delivery.releases import (
    COMMIT,
    Fault,
    Release,
    Sent,
    headed,
    listening,
    said,
)

pytestmark = pytest.mark.database


@dataclass
class Time:
    """A clock that only moves when somebody sleeps, or when a test says so."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


def deploy(url: str, home: Path) -> Iterator[tuple[Release, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLTRADING_HOME", str(home))
        patch.setenv("ENVIRONMENT", "development")
        release = Release(create_app(load_settings(), url).server)
    with listening(release) as address:
        yield release, address


@pytest.fixture(scope="module")
def deployed(
    small_market_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Release, str]]:
    yield from deploy(small_market_url, tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def release(deployed: tuple[Release, str]) -> Iterator[Release]:
    """The release without a fault; a test may give it one."""
    release, _ = deployed
    yield release
    release.fault, release.commit = None, COMMIT
    release.hosts.clear()


@pytest.fixture
def address(deployed: tuple[Release, str]) -> str:
    return deployed[1]


def check(address: str, **given: Any) -> list[str]:
    """The names of what passed, or SmokeFailed; without a real second of waiting."""
    asked: dict[str, Any] = {"commit": COMMIT, "wait_seconds": 60.0, "clock": Time().clock}
    return [done.name for done in smoke(address, **{**asked, **given}) if done.passed]


def failed_checks(error: SmokeFailed) -> set[str]:
    text = str(error).partition(": ")[2]
    return {name for name, _ in CHECKS if f"; {name}: expected" in f"; {text}"}


def test_a_good_release_passes_every_check(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(address) == [name for name, _ in CHECKS]
    printed = capsys.readouterr().out
    assert COMMIT in printed
    assert "the chart of" in printed and "bars" in printed
    assert "slowest of" in printed


def on(path: str, fault: Callable[[Sent], Sent]) -> Fault:
    """A fault of one address; one that ends with * of all that begin so."""

    def break_it(asked: str, sent: Sent) -> Sent:
        hit = asked.startswith(path[:-1]) if path.endswith("*") else asked == path
        return fault(sent) if hit else sent

    return break_it


def changed(path: str, change: Callable[[Any], object], **how: Any) -> Fault:
    """The JSON of an address, altered."""
    return on(path, lambda sent: said(sent, change(sent.json()), **how))


def without(name: str) -> Callable[[Any], object]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def chart(change: Callable[[Any], None]) -> Fault:
    """The answer of the Charts callback, altered in its figure."""

    def alter(sent: Sent) -> Sent:
        body = sent.json() if sent.status == 200 else {}
        if "chart-answer" not in body.get("response", {}):
            return sent
        change(body["response"]["chart-answer"]["data"]["figure"])
        return said(sent, body)

    return on(CALLBACKS, alter)


def no_bars(figure: Any) -> None:
    figure["data"] = []


def empty_bars(figure: Any) -> None:
    for trace in figure["data"]:
        trace["close"] = []


def another_symbol(figure: Any) -> None:
    figure["layout"]["meta"]["symbol"] = "OTHER"


def replaced(path: str, old: str, new: str) -> Fault:
    def replace(sent: Sent) -> Sent:
        assert old.encode() in sent.body
        return said(sent, sent.body.replace(old.encode(), new.encode()))

    return on(path, replace)


def plain(sent: Sent) -> Sent:
    """A file as it would come from a server that does not pack."""
    return headed(sent, content_encoding=None)


CALLBACKS = "/_dash-update-component"
LIVE, READY, HEALTH = "/health/live", "/health/ready", "/health"
BOOM = '{"error": "boom"}'
TRACE = "Traceback (most recent call last):\n  File app.py, line 1"
STYLE, SCRIPT = "/assets/tokens.css", "/assets/js/chart.js"

FAULTS: dict[str, tuple[Fault, str, str]] = {
    "live answers as the release before": (
        changed(LIVE, lambda _: {"status": "alive"}), "live", "found {'status': 'alive'}",
    ),
    "live without a version": (changed(LIVE, without("version")), "live", "a version such as"),
    "live without a commit": (changed(LIVE, without("commit")), "live", "no REVISION"),
    "live with another commit": (
        changed(LIVE, lambda body: {**body, "commit": "0ther"}), "live", "found 0ther",
    ),
    "live is HTML": (on(LIVE, lambda s: said(s, "<p>", kind="text/html")), "live", "text/html"),
    "live redirects": (
        on(LIVE, lambda s: headed(said(s, "", 302), location="/login")), "live", "302 to /login",
    ),
    "not ready": (
        changed(READY, lambda body: {**body, "status": "unhealthy"}, status=503), "ready", "503",
    ),
    "ready with 200 and an old schema": (
        changed(READY, lambda body: {**body, "checks": {"database": "schema_outdated"}}),
        "ready", "found schema_outdated",
    ),
    "unhealthy with 200": (
        changed(HEALTH, lambda body: {**body, "status": "unhealthy"}), "health", "unhealthy",
    ),
    "healthy over a dead database": (
        changed(HEALTH, lambda b: {**b, "checks": {**b["checks"], "database": "timeout"}}),
        "health", "found timeout",
    ),
    "health with 500": (on(HEALTH, lambda s: said(s, s.body, 500)), "health", "found 500"),
    "health with an error beside": (
        changed(HEALTH, lambda body: {**body, "error": "x"}), "health", "'error': 'x'",
    ),
    "health without its time": (changed(HEALTH, without("timestamp")), "health", "timestamp"),
    "health with a time of no zone": (
        changed(HEALTH, lambda body: {**body, "timestamp": "2026-01-02T03:04:05"}),
        "health", "a time with its zone",
    ),
    "health without the external APIs": (
        changed(HEALTH, lambda body: {**body, "checks": {"database": "ok"}}),
        "health", "external_apis",
    ),
    "health is a list": (changed(HEALTH, lambda _: []), "health", "found []"),
    "health that caches": (
        on(HEALTH, lambda s: headed(s, cache_control="max-age=60")), "health", "no-store",
    ),
    "health that is cut": (on(HEALTH, lambda s: said(s, s.body[:9])), "health", "JSON from"),
    "an error page with 200": (
        on("/", lambda s: said(s, "<html><body>Application error")), "page", "react-entry-point",
    ),
    "a page without its scripts": (
        replaced("/", 'src="/', 'data-src="/'), "page", "the renderer's script",
    ),
    "a page as text": (on("/", lambda s: said(s, s.body, kind="text/plain")), "page", "text/plain"),
    "a missing file": (on(SCRIPT, lambda s: said(s, "Not found", 404)), "assets", "404"),
    "a file that is a page": (
        on(STYLE, lambda s: said(s, "<html>", kind="text/html")), "assets", "found text/html",
    ),
    "an empty file": (on(SCRIPT, lambda s: said(s, "")), "assets", "an empty one"),
    "a file kept for a minute": (
        on(STYLE, lambda s: headed(s, cache_control="public, max-age=60")), "assets", "max-age=60",
    ),
    "a file without caching": (
        on(STYLE, lambda s: headed(s, cache_control=None)), "assets", "long max-age",
    ),
    "a missing file of Dash": (
        on("/_dash-component-suites/dash/dash-renderer*", lambda s: said(s, "no", 404)),
        "assets", "dash_renderer",
    ),
    "files that are not packed": (on(SCRIPT, plain), "compressed", "Content-Encoding: br"),
    "a layout of nothing": (changed("/_dash-layout", lambda _: {}), "layout", "'theme-toggle'"),
    "a layout that fails": (
        on("/_dash-layout", lambda s: said(s, BOOM, 500)), "layout", "found 500",
    ),
    "callbacks that are none": (
        changed("/_dash-dependencies", lambda _: {"error": "boom"}), "dependencies", "boom",
    ),
    "no callback for the chart": (
        changed("/_dash-dependencies", lambda b: [d for d in b if "chart-" not in d["output"]]),
        "dependencies", "chart-answer.data",
    ),
    "a callback that fails": (on(CALLBACKS, lambda s: said(s, BOOM, 500)), "callback", "500"),
    "a callback that says nothing": (on(CALLBACKS, lambda s: said(s, "", 204)), "callback", "204"),
    "an error's toast with 200": (
        changed(CALLBACKS, lambda _: {"sideUpdate": {"toast": {}}, "multi": True}),
        "callback", "overview-drawn.data",
    ),
    "charts without a trace": (chart(no_bars), "callback", "found none in any"),
    "charts without a bar": (chart(empty_bars), "callback", "found none in any"),
    "the chart of another symbol": (chart(another_symbol), "callback", "that of OTHER"),
    "a chart that is no figure": (chart(dict.clear), "callback", "a figure in the answer"),
    "an unknown address that is a page": (
        on("/no-such-page*", lambda s: said(s, s.body, 200)), "not-found", "found 200",
    ),
    "a traceback on the page for unknown addresses": (
        on("/no-such-page*", lambda s: said(s, TRACE)), "clean", "Traceback",
    ),
    "Dash's developer tools": (replaced("/", '"ui":false', '"ui":true'), "clean", '"ui":true'),
    "the address of the database": (
        replaced("/_dash-layout", "Skip to content", "postgresql://me:secret@db/x"),
        "clean", "postgresql://",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "caught_by", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_caught_by_its_check(
    release: Release, address: str, fault: Fault, caught_by: str, words: str
) -> None:
    release.fault = fault
    with pytest.raises(SmokeFailed) as caught:
        check(address, wait_seconds=0)
    assert caught_by in failed_checks(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_check_has_a_fault_that_it_catches() -> None:
    # test_an_answer_that_takes_too_long, and test_smoke_login.py
    others = {"speed", "closed", "sign-in"}
    assert {named for _, named, _ in FAULTS.values()} == {name for name, _ in CHECKS} - others


def test_faults_of_one_answer_fail_one_check_alone(release: Release, address: str) -> None:
    release.fault = FAULTS["a file kept for a minute"][0]
    with pytest.raises(SmokeFailed) as caught:
        check(address, wait_seconds=0)
    assert failed_checks(caught.value) == {"assets"}


def test_an_answer_that_takes_too_long(release: Release, address: str) -> None:
    time = Time()

    def slow(path: str, sent: Sent) -> Sent:
        time.now += 11 if path == "/_dash-layout" else 0
        return sent

    release.fault = slow
    with pytest.raises(SmokeFailed, match=r"within 10 s, found /_dash-layout took 11\.00 s"):
        check(address, clock=time.clock)


def test_without_a_commit_none_is_compared_and_that_is_said(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.commit = "another"
    check(address, commit=None)
    assert "commit another (not compared: none was asked for)" in capsys.readouterr().out


def test_the_start_of_a_commit_is_enough_and_a_guess_is_refused(
    release: Release, address: str
) -> None:
    assert check(address, commit=COMMIT[:7])
    for wrong in ("", "main", COMMIT[:6], COMMIT.upper()):
        with pytest.raises(DeliveryError, match="is no commit"):
            check(address, commit=wrong)


def test_an_empty_database_is_a_release_that_works(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _, address in deploy(database_url, tmp_path):
        assert check(address) == [name for name, _ in CHECKS]
    assert "no symbol is stored: the pages for an empty database" in capsys.readouterr().out


def test_an_empty_table_is_no_empty_database(release: Release, address: str) -> None:
    def lose_rows(body: Any) -> Any:
        if "overview-drawn" in body["response"]:
            body["response"]["overview-drawn"]["data"]["overview-table"] = []
        return body

    release.fault = changed(CALLBACKS, lose_rows)
    with pytest.raises(SmokeFailed, match="expected symbols, or 'No market data yet'"):
        check(address)


def until(moment: float, time: Time, fault: Fault) -> Fault:
    """The fault until that second of the clock."""
    return lambda path, sent: fault(path, sent) if time.now < moment else sent


STARTS = {
    "a router without a process": on("/*", lambda s: said(s, "no process", 503)),
    "the release before": FAULTS["live answers as the release before"][0],
    "another commit": FAULTS["live with another commit"][0],
    "not ready": FAULTS["not ready"][0],
}


@pytest.mark.parametrize("fault", STARTS.values(), ids=STARTS)
def test_a_release_that_starts_is_waited_for(release: Release, address: str, fault: Fault) -> None:
    time = Time()
    release.fault = until(time.now + 7, time, fault)
    assert check(address, clock=time.clock)
    assert 7 <= sum(time.slept) < 12


@pytest.mark.parametrize("fault", STARTS.values(), ids=STARTS)
def test_the_wait_ends(release: Release, address: str, fault: Fault) -> None:
    time = Time()
    release.fault = fault
    with pytest.raises(SmokeFailed, match="does not work after 10 s"):
        check(address, clock=time.clock, wait_seconds=10)
    assert sum(time.slept) == 10


def test_one_that_is_up_and_wrong_is_not_waited_for(release: Release, address: str) -> None:
    time = Time()
    release.fault = FAULTS["charts without a bar"][0]
    with pytest.raises(SmokeFailed, match="does not work after 9 s"):
        check(address, clock=time.clock)
    assert len(time.slept) == WRONG_ROUNDS - 1


def test_a_moments_trouble_is_forgiven(release: Release, address: str) -> None:
    time = Time()
    release.fault = until(time.now + 5, time, FAULTS["a callback that fails"][0])
    assert check(address, clock=time.clock)


def test_good_rounds_count_only_in_a_row(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    time = Time()
    bad = {time.now + 3, time.now + 9}  # the second and the fourth round
    fault = FAULTS["live with another commit"][0]
    release.fault = lambda path, sent: fault(path, sent) if time.now in bad else sent
    assert check(address, clock=time.clock, consecutive=3)
    assert sum(time.slept) == 18
    assert "3 good rounds in a row" in capsys.readouterr().out


def test_too_few_good_rounds_in_the_time_is_a_failure_that_says_so(
    release: Release, address: str
) -> None:
    with pytest.raises(SmokeFailed, match=r"good 3 times in a row, not 9, within 6 s"):
        check(address, consecutive=9, wait_seconds=6)


def test_a_long_wait_is_told_in_few_lines(release: Release, address: str) -> None:
    told: list[str] = []
    release.fault = FAULTS["live with another commit"][0]
    with pytest.raises(SmokeFailed):
        check(address, tell=told.append, wait_seconds=600)
    assert sum("not up yet" in line for line in told) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of mltrading.example, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=mltrading.example"]
    command += ["-addext", "subjectAltName=DNS:mltrading.example"]
    if shutil.which("openssl") is None:
        refuse_or_skip("openssl is not installed")
    subprocess.run(
        [*command, "-out", str(files[0]), "-keyout", str(files[1])], check=True, capture_output=True
    )
    return files


def test_a_certificate_must_be_trusted_and_of_the_name(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hello(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["HTTP_HOST"].encode()]

    def ask(url: str, host: str) -> str:
        visitor = Visitor(url, host)
        try:
            return visitor.get("/").text
        finally:
            visitor.close()

    with listening(hello, certificate) as address:
        host = address.removeprefix("https://")
        with pytest.raises(Unreached, match="self-signed certificate"):
            ask("https://mltrading.example", host)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert ask("https://mltrading.example", host) == "mltrading.example"
        with pytest.raises(Unreached, match="Hostname mismatch|doesn't match"):
            ask("https://another.example", host)


def test_nobody_there(address: str) -> None:
    with pytest.raises(SmokeFailed, match="expected an answer, found none: GET /health/live"):
        check("http://127.0.0.1:1", wait_seconds=0)


@pytest.mark.parametrize("url", ["", "staging.example", "ftp://x", "https://", "http://h:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(DeliveryError, match="is no address of a site"):
        Visitor(url)


def test_an_answer_without_an_end_is_given_up(release: Release, address: str) -> None:
    ticks = iter(range(0, 10_000, 40))
    visitor = Visitor(address, clock=lambda: float(next(ticks)))
    try:
        with pytest.raises(Unreached, match="did not end"):
            visitor.get("/")
    finally:
        visitor.close()


def test_the_command_prints_the_checks_and_ends_well(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smoke", address, "--commit", COMMIT, "--wait", "0"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name:<12} ok " in printed for name, _ in CHECKS)


def test_the_command_fails_in_one_line(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.fault = FAULTS["health without its time"][0]
    assert main(["smoke", address, "--any-commit", "--wait", "0"]) == 1
    said_last = capsys.readouterr().err
    assert said_last.startswith("delivery: ") and said_last.count("\n") == 1
    assert "health: expected" in said_last
