"""Injections 1 and 8 to 11: the database is not there yet, its disk fills up, the clock jumps, the
worker is killed, the server is told to stop in the middle of a request."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.utils.message import Destination
from tests.alert_workers import Receiver, environment, receiving, working
from tests.database_fixtures import execute
from tests.fault_table import Figure
from tests.gunicorn_server import TOKEN, gunicorn
from tests.integration.faults.outbox import put
from tests.integration.faults.place import FIND, Place, find, placed
from tests.postgres_server import Server
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

pytestmark = pytest.mark.database

QUIET = """channels:
  critical: [{slack: "#critical"}]
  warning: [{slack: "#warning"}]
  info: [{slack: "#info"}]
rules:
  DiskLow: {severity: critical, when: disk_free < 10%}
"""
MEGABYTE = 1 << 20


@pytest.mark.faults
def test_fault_01_without_its_database_it_boots_and_migrates_when_that_comes(
    tmp_path: Path, binaries: Path | None, figure: Figure
) -> None:
    server = Server(tmp_path / "pg", binaries)
    server.stop()
    env = environment(tmp_path, server.url, QUIET)
    with (
        gunicorn(tmp_path, server.url) as app,
        working(env, tmp_path / "worker.log") as worker,
    ):
        live, health = app.ask("/health/live")[0], app.ask("/health")
        wait_until(lambda: "no answer from the database" in worker.said(), "the worker waits")
        assert (live, health[0]) == (200, 500)
        assert json.loads(health[2])["error"] == "database_unreachable"
        server.start()
        back = time.monotonic()
        wait_until(lambda: app.ask("/health")[0] == 200, "healthy")
        healthy = time.monotonic() - back
        wait_until(lambda: app.ask("/health/ready")[0] == 200, "migrated")
        ready = time.monotonic() - back
        assert execute(server.url, "SELECT count(*) > 0 FROM schema_version") == [(True,)]
    server.stop()
    assert healthy <= 5
    figure(
        f"live {live}, /health {health[0]}; back: healthy after {healthy:.1f} s, migrated after"
        f" {ready:.1f} s"
    )


@pytest.mark.faults
def test_fault_08_a_full_disk_is_warned_of_survived_and_left_behind(
    tmp_path: Path, binaries: Path | None, figure: Figure
) -> None:
    with ExitStack() as opened:
        disk = opened.enter_context(small_disk(tmp_path / "disk", 192))
        (disk / "home").mkdir()
        place = opened.enter_context(placed(disk, binaries))
        slack = opened.enter_context(receiving(Receiver()))
        env = environment(
            tmp_path / "worker",
            place.direct,
            QUIET,
            SLACK_WEBHOOK=slack.url,
            MLTRADING_HOME=str(disk / "home"),
        )
        opened.enter_context(working(env, tmp_path / "worker.log"))
        vera = place.visitor()
        place.sql("CREATE TABLE kept AS SELECT 1 AS n")
        place.sql("CREATE TABLE filled (t text)")
        wait_until(lambda: place.sql("SELECT 1 FROM alerts"), "it evaluates")
        first = fill(disk, 12 * MEGABYTE)

        def disk_check() -> str:
            _, _, text = place.app.ask("/health/full", Authorization=f"Bearer {TOKEN}")
            return str(json.loads(text)["checks"]["disk:free"][0]["status"])

        wait_until(lambda: disk_check() == "warn", "/health/full warns")
        wait_until(lambda: any("DiskLow" in str(one) for one in slack.taken()), "it is told")
        assert find(vera).status_code == 200
        rest, main = fill(disk, 0), place.server.processes()[0]
        refused = until_the_server_panics(place)
        live, health = place.app.ask("/health/live")[0], place.app.ask("/health")[0]
        wait_until(lambda: place.app.ask("/health")[0] == 500, "/health says it")
        live, asked = place.app.ask("/health/live")[0], find(vera).status_code
        assert (live, asked) == (200, 503), health
        rest.unlink()
        first.unlink()
        lasted = place.until_well(vera, time.monotonic())
        assert place.sql("SELECT n FROM kept") == [(1,)]
        assert place.server.processes()[0] != main, "its supervisor started it anew"
    assert refused, "writes were refused before the server fell"
    assert lasted <= 15  # its supervisor tries each 5 s
    figure(
        f"warned and told; {refused} writes refused, then PANIC: live {live}, reads {asked};"
        f" room again: healthy after {lasted:.1f} s"
    )


def until_the_server_panics(place: Place) -> int:
    """Writes until the disk is full, and then until not even the log of the server fits; how many
    were refused in between."""
    refused = 0
    write = "INSERT INTO filled SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n"
    for _ in range(3000):
        try:
            place.sql(write if refused < 3 else "SELECT pg_switch_wal()")
            if refused >= 3:  # a segment of the log that holds nothing is not switched
                place.sql("SELECT pg_logical_emit_message(false, 'x', 'y')")
        except psycopg2.errors.DiskFull:
            refused += 1
        except psycopg2.OperationalError:
            break
    wait_until(lambda: down(place), "the server falls")
    return refused


def down(place: Place) -> bool:
    try:
        place.sql("SELECT 1")
    except psycopg2.OperationalError:
        return True
    return False


WARNING = """channels:
  critical: [{slack: "#critical"}]
  warning: [{slack: "#warning"}]
  info: [{slack: "#info"}]
rules:
  MemoryUsed: {severity: warning, when: memory > 0.01%, for: 15m}
"""


def false_clock(file: Path) -> dict[str, str]:
    """Variables by which a process believes the clock that `file` tells ("+2h"), each time that it
    looks. Time that only passes (monotonic) is the real one, as where somebody sets a clock."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        if os.environ.get("CI"):
            pytest.fail("Debian's package faketime is missing: python -m tools.setup_tests")
        pytest.skip("Debian's package faketime is missing: apt-get install faketime")
    # Its clock_nanosleep fails on a clock that it leaves alone (0.9.10), and time.sleep with it.
    (file.parent / "sitecustomize.py").write_text(
        "import select, time\n"
        "time.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    return {
        "PYTHONPATH": str(file.parent),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.faults
def test_fault_09_a_clock_that_jumps_signs_nobody_out_and_alerts_nobody(
    tmp_path: Path, binaries: Path | None, figure: Figure
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    fake = false_clock(clock)
    with ExitStack() as opened:
        place = opened.enter_context(placed(tmp_path, binaries, **fake))
        slack = opened.enter_context(receiving(Receiver()))
        env = environment(
            tmp_path / "worker", place.direct, WARNING, SLACK_WEBHOOK=slack.url, **fake
        )
        opened.enter_context(working(env, tmp_path / "worker.log"))
        people = [place.visitor() for _ in range(5)]
        wait_until(lambda: states(place) == {"pending"}, "the warning is pending")
        signed_in = 0
        for jump in ("+2h", "-2h"):
            clock.write_text(f"{jump}\n")
            wait_until(lambda: hours_off(place, jump), "the program believes it")
            signed_in += sum(find(one).status_code == 200 for one in people)
            [(now,)] = place.sql("SELECT clock_timestamp()::text")
            later = f"SELECT 1 FROM alerts WHERE evaluated_at > '{now}'::timestamptz + '1 s'"
            wait_until(lambda: place.sql(later), "it evaluates on")
            assert states(place) == {"pending"}
            assert place.health()[0] == 200
        told = [one for one in slack.taken() if one["channel"] == "#warning"]
    assert signed_in == 2 * len(people)
    assert not told
    figure(f"{signed_in} of {2 * len(people)} still signed in, {len(told)} alerts")


def states(place: Place) -> set[str]:
    return {
        str(state) for state, in place.sql("SELECT state FROM alerts WHERE rule = 'MemoryUsed'")
    }


def hours_off(place: Place, jump: str) -> bool:
    """Whether /health tells the time of the false clock."""
    told = json.loads(place.app.ask("/health")[2])["timestamp"]
    [(hours,)] = place.sql(f"SELECT extract(epoch FROM '{told}'::timestamptz - now()) / 3600")
    return abs(float(str(hours)) - float(jump.removesuffix("h"))) < 0.1


MESSAGES = 24


@pytest.mark.faults
def test_fault_10_a_killed_worker_loses_no_alert(
    database: Database, database_url: str, tmp_path: Path, figure: Figure
) -> None:
    """The same with 300 messages, failing receivers and 8 kills: test_alerts_kills.py."""
    with ExitStack() as opened:
        slack, pager = (
            opened.enter_context(receiving(Receiver(lambda number: (200, {}, 0.05))))
            for _ in range(2)
        )
        env = environment(
            tmp_path, database_url, QUIET, SLACK_WEBHOOK=slack.url, PAGERDUTY_API_URL=pager.url
        )
        wanted = put(
            database,
            [Destination("slack", "#critical"), Destination("pagerduty", "service-key")],
            MESSAGES,
        )

        def arrived() -> Counter[str]:
            return slack.delivered() + pager.delivered()

        kills = 0
        for at in (MESSAGES // 4, MESSAGES // 2):
            with working(env, tmp_path / f"worker{at}.log") as worker:
                wait_until(lambda: len(arrived().keys() & wanted) >= at, f"{at} arrived")
                worker.kill()
                kills += 1
        with working(env, tmp_path / "worker.log"):
            wait_until(lambda: arrived().keys() >= wanted, "all arrived")
            noted = "SELECT count(*) FROM alert_outbox WHERE state = 'delivered'"
            wait_until(lambda: execute(database_url, noted) == [(MESSAGES,)], "all is noted")
        found = arrived()
    lost = wanted - found.keys()
    twice = sum(count - 1 for name, count in found.items() if name in wanted)
    assert not lost
    assert twice <= 2 * kills  # one under way in each of two channels
    figure(f"{MESSAGES} messages, {kills} kills: {len(lost)} lost, {twice} twice")


REQUEST_SECONDS = 4


def test_fault_11_a_request_under_way_is_answered_after_sigterm(
    database_url: str, owner_url: str, tmp_path: Path, figure: Figure
) -> None:
    def waiting() -> bool:
        found = execute(
            owner_url,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'",
        )
        return bool(found)

    with (
        gunicorn(tmp_path, database_url) as app,
        ThreadPoolExecutor(1) as threads,
        closing(psycopg2.connect(owner_url)) as holder,
        holder.cursor() as cursor,
    ):
        cursor.execute("LOCK TABLE symbols IN ACCESS EXCLUSIVE MODE")
        body = json.dumps(FIND)
        answer = threads.submit(
            app.ask, "/_dash-update-component", "POST", body, Content_Type="application/json"
        )
        wait_until(lambda: waiting() or answer.done(), "the request is under way")
        assert not answer.done(), answer.result()
        told = time.monotonic()
        app.process.send_signal(signal.SIGTERM)
        cursor.execute("SELECT pg_sleep(%s)", (REQUEST_SECONDS,))
        holder.rollback()
        status = answer.result()[0]
        code = app.process.wait(60)
        lasted = time.monotonic() - told
    assert (status, code) == (200, 0)
    assert REQUEST_SECONDS <= lasted < 30
    figure(f"answered {status}, exit {code} after {lasted:.1f} s")
