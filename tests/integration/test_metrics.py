"""/metrics of a real gunicorn: right over all its workers, whichever of them is asked or killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mltrading import __version__
from tests.browser_fixtures import refuse_or_skip
from tests.gunicorn_server import OURS, TOKEN, Gunicorn, gunicorn
from tests.waiting import wait_until
from tools.prometheus import missing, program

pytestmark = pytest.mark.database

LIVE = 'mltrading_http_requests_total{route="/health/live",method="GET",status="200"}'
SECONDS = 'mltrading_http_request_seconds_count{route="/health/live"}'
FOUR = ("--workers", "4", "--threads", "4")


@pytest.fixture(scope="module")
def server(market_url: str, run_folder: Path) -> Iterator[Gunicorn]:
    with gunicorn(run_folder, market_url, *OURS, *FOUR, MLTRADING_COMMIT="abcdef1") as started:
        yield started


def settled(server: Gunicorn) -> dict[str, float]:
    """The same from whichever worker: asked often enough to meet several."""
    wait_until(lambda: server.metrics()["mltrading_processes"] == 4, "all four count together")
    found = [server.metrics() for _ in range(6)]
    assert len({metrics[LIVE] for metrics in found}) == 1
    return found[-1]


@pytest.mark.faults
def test_thousands_of_requests_add_up_exactly_also_after_a_worker_was_killed(
    server: Gunicorn,
) -> None:
    before = settled(server)
    assert server.flood("/health/live", 2000) == (2000, 0)
    after = settled(server)
    assert after[LIVE] - before[LIVE] == 2000
    assert after[SECONDS] - before[SECONDS] == 2000
    server.kill(server.workers()[0], 4)
    after = settled(server)
    assert after[LIVE] - before[LIVE] == 2000
    assert server.flood("/health/live", 2000) == (2000, 0)
    assert settled(server)[LIVE] - before[LIVE] == 4000


def test_a_worker_killed_in_the_middle_loses_nothing_that_was_answered(server: Gunicorn) -> None:
    before = settled(server)[LIVE]
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(server.flood, "/health/live", 1600)
        for worker in server.workers()[:2]:
            server.kill(worker, 4)
        answered, lost = flood.result()
    counted = settled(server)[LIVE] - before
    assert answered <= counted <= answered + lost
    assert answered + lost == 1600


def test_nothing_is_in_flight_but_the_question_itself(server: Gunicorn) -> None:
    metrics = server.metrics()
    assert metrics["mltrading_http_requests_in_flight"] == 1
    assert metrics["mltrading_pool_connections_in_use"] == 0


def test_what_it_says_of_the_program_and_the_database(server: Gunicorn) -> None:
    metrics = server.metrics()
    build = f'mltrading_build_info{{version="{__version__}",commit="abcdef1"}}'
    assert metrics[build] == 1
    assert metrics["mltrading_database_up"] == 1
    assert 0 < metrics["mltrading_database_response_seconds"] < 2
    assert 50e6 < metrics["mltrading_resident_memory_bytes"] < 4e9
    assert 0 < metrics["mltrading_memory_used_ratio"] < 1
    assert 0 < metrics["mltrading_disk_free_ratio"] <= 1
    assert metrics['mltrading_queue_depth{queue="jobs"}'] == 0
    assert any(name.startswith("mltrading_newest_bar_age_seconds{source=") for name in metrics)


def test_routes_are_templates_or_known_pages_whatever_is_asked(server: Gunicorn) -> None:
    for path in ("/charts?symbol=AAPL", "/nowhere/AAPL", "/.env", "/assets/nothing.js"):
        server.ask(path)
    server.ask("/nowhere", method="BREW")
    server.ask("/charts", method="POST", body="x")
    names = [name for name in server.metrics() if "http_requests_total" in name]
    assert not [name for name in names if "AAPL" in name or "nowhere" in name or ".env" in name]
    assert 'mltrading_http_requests_total{route="/charts",method="GET",status="200"}' in names
    assert 'mltrading_http_requests_total{route="/<path:path>",method="GET",status="404"}' in names
    assert 'mltrading_http_requests_total{route="other",method="other",status="405"}' in names


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": f"Bearer {TOKEN}x"}, 403),
        ({"Authorization": "Bearer gr\xf6\xdfe"}, 403),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
    ],
)
def test_only_who_brings_the_token_reads_them(
    server: Gunicorn, headers: dict[str, str], status: int
) -> None:
    found, answered, text = server.ask("/metrics", **headers)
    assert found == status
    assert answered["cache-control"] == "no-store"
    assert ("mltrading_http" in text) == (status == 200)
    assert ("www-authenticate" in answered) == (status == 401)


def test_without_a_token_configured_there_is_no_such_address(
    database_url: str, tmp_path: Path
) -> None:
    with gunicorn(tmp_path, database_url, METRICS_TOKEN="") as server:
        assert server.ask("/metrics", Authorization="Bearer ")[0] == 404
        assert server.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 404


def test_promtool_accepts_it(server: Gunicorn) -> None:
    reason = missing("promtool")
    if reason:
        refuse_or_skip(reason)
    _, _, text = server.ask("/metrics", Authorization=f"Bearer {TOKEN}")
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wrong = text.replace("# TYPE mltrading_http_requests_total counter", "# TYPE x y")
    assert subprocess.run(
        [program("promtool"), "check", "metrics"], input=wrong.encode(), check=False,
        capture_output=True,
    ).returncode  # fmt: skip


def test_a_gunicorn_without_our_configuration_adds_up_too(
    database_url: str, tmp_path: Path
) -> None:
    """Its workers import the application each for itself, and have no hook that begins them."""
    with gunicorn(tmp_path, database_url, "--workers", "2", "--threads", "4") as server:
        assert server.flood("/health/live", 400) == (400, 0)
        found = {server.metrics()[LIVE] for _ in range(6)}
        assert len(found) == 1 and found.pop() >= 401  # with those that waited for its start


def test_the_shared_numbers_go_with_the_server(database_url: str, tmp_path: Path) -> None:
    from mltrading.utils import scratch

    with gunicorn(tmp_path, database_url) as server:
        folder = scratch.server_folder(server.process.pid)
        server.ask("/health/live")
        assert list(folder.glob("*.block"))
    assert not folder.exists()
