"""Traces of a real gunicorn, as a collector receives them; and none where nobody asked for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.callback_client import split_outputs
from tests.gunicorn_server import OURS, Gunicorn, gunicorn
from tests.otlp_collector import Collector, Span, collecting
from tests.waiting import held_port, wait_until

pytestmark = pytest.mark.database

SERVER, INTERNAL, CLIENT = 2, 1, 3
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture(scope="module")
def traced(market_url: str, run_folder: Path, collector: Collector) -> Iterator[Gunicorn]:
    with gunicorn(
        run_folder,
        market_url,
        *OURS,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20collect0r-t0ken",
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as started:
        yield started


def fire(server: Gunicorn, output: str, search: str) -> int:
    """The callback of that output, as the browser fires it for an address of the charts."""
    listed = json.loads(server.ask("/_dash-dependencies")[2])
    spec = next(
        one
        for one in listed
        if output in split_outputs(one["output"]) and not one["clientside_function"]
    )
    parts = [one.rpartition(".") for one in split_outputs(spec["output"])]
    body = {
        "output": spec["output"],
        "outputs": [{"id": id, "property": name} for id, _, name in parts],
        "inputs": [
            {**one, "value": {"path": "/charts", "search": search, "n": 1}}
            for one in spec["inputs"]
        ],
        "state": [{**one, "value": None} for one in spec["state"]],
        "changedPropIds": ["address.data"],
    }
    status, _, _ = server.ask(
        "/_dash-update-component",
        "POST",
        json.dumps(body),
        Content_Type="application/json",
        traceparent=f"00-{TRACE}-{PARENT}-01",
        X_Request_ID="request-of-the-trace",
    )
    return status


def test_a_callback_is_one_trace_down_to_its_transactions(
    traced: Gunicorn, collector: Collector
) -> None:
    assert fire(traced, "chart-answer.data", "?symbol=AAPL&range=1Y") == 200
    name = "POST /_dash-update-component"
    wait_until(lambda: collector.named(name), "the trace arrives")
    [request] = [one for one in collector.named(name) if one.trace == TRACE]
    assert (request.parent, request.kind, request.failed) == (PARENT, SERVER, False)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/_dash-update-component",
        "http.response.status_code": 200,
        "mltrading.request_id": "request-of-the-trace",
    }
    assert request.resource["service.name"] == "mltrading"
    assert request.resource["deployment.environment.name"] == "development"
    inside = {one.name: one for one in collector.spans if one.trace == TRACE}
    callback, service, read = inside["chart-answer.data"], inside["market.chart"], inside["READ"]
    assert (callback.parent, callback.kind) == (request.id, INTERNAL)
    assert service.parent == callback.id
    assert (read.parent, read.kind) == (service.id, CLIENT)
    assert read.attributes == {"db.system.name": "postgresql"}


def test_nothing_in_a_trace_says_what_was_looked_at(traced: Gunicorn, collector: Collector) -> None:
    fire(traced, "chart-answer.data", "?symbol=NOSUCHSYMBOL")
    wait_until(lambda: _refused(collector), "the trace of the refusal arrives")
    text = repr(collector.spans)
    assert "AAPL" not in text and "NOSUCHSYMBOL" not in text and "symbol=" not in text
    assert not _refused(collector)[0].failed  # the question was wrong, not the server
    assert {one.events for one in collector.spans} == {0}  # no text of an error


def _refused(collector: Collector) -> list[Span]:
    found = [one for one in collector.named("market.chart") if one.trace == TRACE]
    return found[1:]


def test_the_collector_is_sent_its_headers_and_the_log_does_not_show_them(
    traced: Gunicorn, collector: Collector
) -> None:
    traced.ask("/help")
    wait_until(lambda: collector.headers, "a batch arrives")
    assert collector.headers[-1]["authorization"] == "Bearer collect0r-t0ken"
    assert "collect0r-t0ken" not in traced.log


def test_an_absent_collector_is_told_once_and_harms_nobody(
    database_url: str, tmp_path: Path
) -> None:
    with (
        held_port() as mute,
        gunicorn(
            tmp_path,
            database_url,
            *OURS,
            "--workers",
            "1",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{mute}",
            OTEL_BSP_SCHEDULE_DELAY="50",
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
        ) as server,
    ):
        assert server.flood("/health/live", 40, clients=4) == (40, 0)
        wait_until(lambda: "opentelemetry" in server.log, "it is told")
        for _ in range(5):  # each is a batch that fails, and most are tried again
            assert server.flood("/health/live", 40, clients=4) == (40, 0)
        assert len([line for line in server.log.splitlines() if " opentelemetry." in line]) == 1


IMPORTED = """
import sys
{before}
from mltrading.cli.start import configured
from mltrading.app import create_app
app = create_app(configured(), "postgresql://nobody@127.0.0.1:1/none")
print(sorted(name for name in sys.modules if name.split(".")[0] == "opentelemetry"))
"""


def started(home: Path, before: str = "", **environment: str) -> tuple[str, str]:
    import os

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLTRADING_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(before=before)],
        env={**kept, "MLTRADING_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_without_an_endpoint_no_package_is_loaded(tmp_path: Path) -> None:
    assert started(tmp_path) == ("[]", "")


def test_without_the_packages_it_says_so_once_and_serves(tmp_path: Path) -> None:
    names, said = started(
        tmp_path,
        "sys.modules['opentelemetry'] = None",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
    )
    assert names == "['opentelemetry']"
    assert said.count("requirements-telemetry.txt") == 1
    assert said.count("\n") == 1
