"""Injections 2 to 7: the database goes away, comes back, is slow, takes no changes, is busy."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from mltrading.settings import DATABASE_SLOTS, WEB_WORKERS
from tests.fault_table import Figure
from tests.integration.faults.place import Place, find, sign_out
from tests.promises import Promise
from tests.waiting import wait_until

pytestmark = pytest.mark.database

SYMBOLS = "symbols IN ACCESS EXCLUSIVE MODE"
REPEATED = "mltrading_database_reads_repeated_total"
HEALTHY_SECONDS = 5.0
LONGEST_ANSWER_SECONDS = 25.0
SLACK_SECONDS = 1.0  # for a busy machine to begin and to answer
SLOTS = DATABASE_SLOTS * WEB_WORKERS


def test_fault_02_a_read_that_loses_its_backend_runs_once_more(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    before = place.app.metrics().get(REPEATED, 0)
    with place.locked(SYMBOLS) as release, place.asking(vera) as ask:
        answer = ask()
        [first] = wait_until(place.waiting, "the read is in its query")
        place.sql(f"SELECT pg_terminate_backend({first})")
        [second] = wait_until(lambda: place.waiting() - {first}, "it runs once more")
        release()
        assert answer.result().status_code == 200
        assert second != first
    repeated = place.app.metrics()[REPEATED] - before
    assert repeated == 1
    figure(f"read answered by 200 after {repeated:.0f} repetition")


def test_fault_02_a_write_that_loses_its_backend_is_503_and_changes_nothing(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    with place.locked("sessions IN SHARE MODE") as release, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(sign_out, place.twin(vera))
        [pid] = wait_until(place.waiting, "the write is in its query")
        place.sql(f"SELECT pg_terminate_backend({pid})")
        said = answer.result()
        assert not place.waiting()
        release()
    assert said.status_code == 503
    assert int(said.headers["Retry-After"]) > 0
    assert find(vera).status_code == 200, "the session is still there"
    figure(f"write {said.status_code}, Retry-After {said.headers['Retry-After']}, nothing changed")


def test_fault_03_a_killed_backend_is_forgotten_within_5_seconds(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    assert place.well(vera)
    [(victim,)] = place.sql(
        "SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'mltrading'"
    )
    old = place.server.processes()
    started = time.monotonic()
    os.kill(int(str(victim)), signal.SIGKILL)
    wait_until(lambda: victim not in place.server.processes(), "its end")
    lasted = place.until_well(vera, started)
    assert set(old) - set(place.server.processes()), "all backends were dropped"
    assert lasted <= HEALTHY_SECONDS
    figure(f"healthy after {lasted:.1f} s")


def test_fault_04_a_restart_under_load_is_over_5_seconds_after_it(
    place: Place, figure: Figure
) -> None:
    vera, ending = place.visitor(), threading.Event()
    seen: list[tuple[float, int, str]] = []

    def load() -> None:
        own = place.twin(vera)
        while not ending.is_set():
            answer = find(own)
            retry = answer.headers.get("Retry-After", "")
            seen.append((time.monotonic(), answer.status_code, retry))

    with ThreadPoolExecutor(4) as threads:
        loads = [threads.submit(load) for _ in range(4)]
        try:
            wait_until(lambda: len(seen) > 40, "load")
            place.server.stop()
            place.server.start()
            back = time.monotonic()
            wait_until(
                lambda: sum(at > back + HEALTHY_SECONDS for at, _, _ in list(seen)) > 40,
                "answers later than 5 s after the return",
            )
        finally:
            ending.set()
        for one in loads:
            one.result()
    failed = [(at - back, status, retry) for at, status, retry in seen if status != 200]
    assert all(status == 503 and retry for _, status, retry in failed), failed
    late = max((at for at, _, _ in failed), default=0.0)
    assert late <= HEALTHY_SECONDS
    figure(f"{len(seen)} reads, {len(failed)} answered 503, the last {max(0, late):.1f} s after it")


@pytest.mark.faults
def test_fault_05_a_slow_hung_or_frozen_database_ends_at_the_deadlines(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()

    def measured(name: str) -> None:
        """While it lasts, how long /health takes, and a read that was begun in it."""
        with place.asking(vera) as ask:
            began, took = time.monotonic(), []
            answer = ask()
            while not answer.done():
                status, seconds = place.health()
                took.append(seconds)
            said = answer.result()
            lasted = time.monotonic() - began
        assert (status, said.status_code) == (500, 503)
        assert max(took) <= 2.0 + SLACK_SECONDS
        assert lasted <= LONGEST_ANSWER_SECONDS
        figure(f"{name}: /health {max(took):.1f} s at most, a read ended after {lasted:.1f} s")

    place.proxy.delay_seconds = 5.0
    try:
        measured("5 s slow")
    finally:
        place.proxy.delay_seconds = 0.0
    place.until_well(vera, time.monotonic())
    place.proxy.hang = True
    try:
        measured("hung")
    finally:
        place.proxy.hang = False
        place.proxy.drop()
    place.until_well(vera, time.monotonic())
    place.server.signal(signal.SIGSTOP)
    try:
        measured("frozen")
    finally:
        place.server.signal(signal.SIGCONT)
    place.until_well(vera, time.monotonic())


@pytest.mark.faults
def test_fault_05_a_query_in_a_backend_that_freezes_ends_at_its_deadline(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    with place.locked(SYMBOLS), place.asking(vera) as ask:
        started = time.monotonic()
        answer = ask()
        wait_until(place.waiting, "the read is in its query")
        place.server.signal(signal.SIGSTOP)
        try:
            said = answer.result()
        finally:
            place.server.signal(signal.SIGCONT)
        lasted = time.monotonic() - started
    assert (said.status_code, "Retry-After" in said.headers) == (503, True)
    assert 10 < lasted <= LONGEST_ANSWER_SECONDS
    place.until_well(vera, time.monotonic())
    figure(f"frozen in its query: 503 after {lasted:.1f} s")


def test_fault_05_a_connection_that_is_cut_in_its_answer_is_as_one_that_broke(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    assert find(vera).status_code == 200
    place.proxy.cut_after = 3
    assert find(vera).status_code == 200
    assert place.proxy.cut_after is None, "an answer was cut"
    place.proxy.refuse = True
    place.proxy.drop()
    try:
        said = find(vera)
    finally:
        place.proxy.refuse = False
    assert said.status_code == 503
    place.until_well(vera, time.monotonic())
    figure("cut in an answer: 200 by a second connection")


def test_fault_06_a_database_that_takes_no_changes_is_read(place: Place, figure: Figure) -> None:
    vera = place.visitor()

    def read_only(state: str) -> None:
        place.sql(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        place.sql("SELECT pg_reload_conf()")

    def layout() -> str:
        return vera.ask("GET", "/_dash-layout").text

    def said() -> str:
        return str(json.loads(place.app.ask("/health")[2])["checks"]["database"])

    assert "nothing is saved" not in layout()
    read_only("on")
    try:
        wait_until(lambda: said() == "database_read_only", "/health says it")
        assert place.app.ask("/health/ready")[0] == 200
        reads = Counter(find(vera).status_code for _ in range(20))
        written = sign_out(vera)
        # Each process keeps for 2 s what it asked the database.
        wait_until(lambda: "nothing is saved" in layout(), "the banner")
    finally:
        place.sql("ALTER SYSTEM RESET default_transaction_read_only")
        place.sql("SELECT pg_reload_conf()")
    assert reads == {200: 20}
    assert (written.status_code, written.headers["X-Outage"]) == (503, "read-only")
    wait_until(lambda: said() == "ok", "it takes changes again")
    assert sign_out(vera).status_code == 303
    figure(f"{reads[200]} of 20 reads, banner, write {written.status_code}")


def fill(place: Place, slots: int, ask: object) -> list[object]:
    """Reads that wait for a lock, until so many connections are in use."""
    begun = []
    while len(place.waiting()) < slots:
        begun.append(ask())  # type: ignore[operator]
        before = len(begun)
        wait_until(
            lambda: len(place.waiting()) >= min(slots, before)
            or sum(not one.done() for one in begun) == len(place.waiting()),
            "it waits, or was refused",
        )
        assert len(begun) < 20 * slots
    return begun


def test_fault_07_with_every_slot_taken_others_wait_half_a_second_and_health_answers(
    place: Place, figure: Figure
) -> None:
    vera = place.visitor()
    with place.locked(SYMBOLS) as release, place.asking(vera, 40 * SLOTS) as ask:
        begun = fill(place, SLOTS, ask)
        waits, healths = [], []
        for _ in range(5):
            started = time.monotonic()
            said = find(place.twin(vera))
            waits.append(time.monotonic() - started)
            assert (said.status_code, said.headers["X-Outage"]) == (503, "busy")
            assert int(said.headers["Retry-After"]) > 0
            status, took = place.health()
            assert status == 200
            healths.append(took)
        assert len(place.waiting()) == SLOTS
        release()
        statuses = Counter(one.result().status_code for one in begun)
    assert statuses[200] >= SLOTS and statuses.keys() <= {200, 503}
    assert min(waits) < 0.5 + 0.5  # of the wait; the rest is for a busy machine
    assert min(healths) < 0.3
    place.until_well(vera, time.monotonic())
    figure(
        f"{SLOTS} slots taken: 503 after {min(waits):.2f} s, /health {min(healths) * 1000:.0f} ms"
    )


def test_faults_8_slow_calls_leave_health_answering(place: Place, promise: Promise) -> None:
    """The row of the table of slow calls: eight of them, and /health beside them."""
    vera = place.visitor()
    with place.locked(SYMBOLS) as release, place.asking(vera, 40 * SLOTS) as ask:
        fill(place, 8, ask)
        took = sorted(place.health()[1] for _ in range(40))
        assert len(place.waiting()) >= 8
        release()
    assert took[20] < 0.3
    promise(
        f"8 slow database calls: /health p50 {took[20] * 1000:.0f} ms, p95 {took[37] * 1000:.0f} ms"
    )
    place.until_well(vera, time.monotonic())
