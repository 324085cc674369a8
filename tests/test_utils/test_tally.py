"""Numbers of several processes: whole, exact, and not lost when one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mltrading.utils import blocks
from mltrading.utils.blocks import OVERFLOW
from mltrading.utils.tally import Tally

pytestmark = pytest.mark.smoke

PROCESS = """
import os, sys, threading
from pathlib import Path
from mltrading.utils.tally import Tally
tally = Tally()
tally.add("before", "sharing")
tally.share(Path(sys.argv[1]))
def count():
    for _ in range(int(sys.argv[2])):
        tally.add("requests", "/")
        tally.observe(0.02, "seconds", "/")
tally.change(1, "running")
threads = [threading.Thread(target=count) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def process(folder: Path, times: int) -> Iterator[subprocess.Popen[str]]:
    """A process of four threads that has counted, and waits."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "done\n"
        yield started
        started.kill()


def value(tally: Tally, *key: str) -> float:
    return {entry.key: entry.value for entry in tally.everyone().entries}.get(key, 0.0)


def counts(tally: Tally, *key: str) -> tuple[int, ...]:
    return {entry.key: entry.counts for entry in tally.everyone().entries}[key]


def test_every_thread_counts() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(20_000):
            tally.add("requests", "/")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(tally, "requests", "/") == 80_000


def test_processes_add_up_and_one_that_is_killed_leaves_what_it_counted(tmp_path: Path) -> None:
    tally = Tally()
    tally.share(tmp_path)
    with process(tmp_path, 1000) as one, process(tmp_path, 500):
        assert value(tally, "requests", "/") == 6000
        assert value(tally, "before", "sharing") == 2
        assert value(tally, "running") == 2
        assert counts(tally, "seconds", "/")[2] == 6000
        assert one.pid in tally.everyone().living
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        assert one.pid not in tally.everyone().living
        assert value(tally, "requests", "/") == 6000
        assert value(tally, "running") == 1  # a level ends with its process
        with process(tmp_path, 10):  # goes on in the block of the dead
            assert value(tally, "requests", "/") == 6040
            assert value(tally, "running") == 2
            assert len(list(tmp_path.glob("*.block"))) == 3
    assert value(tally, "requests", "/") == 6040


def test_what_a_killed_process_had_not_told_is_told_by_its_successor(tmp_path: Path) -> None:
    with process(tmp_path, 10) as one:
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        tally = Tally()
        tally.share(tmp_path)
        untold = {entry.key: entry.value for entry in tally.untold()}
        assert untold[("requests", "/")] == 40


def test_what_was_told_is_not_told_again() -> None:
    tally = Tally()
    tally.add("requests", amount=3)
    tally.observe(0.3, "seconds")
    tally.change(1, "running")
    assert {entry.key for entry in tally.untold()} == {("requests",), ("seconds",)}
    tally.add("requests")
    tally.told()
    assert [(entry.key, entry.value) for entry in tally.untold()] == [(("requests",), 1)]
    assert value(tally, "requests") == 4


def test_what_could_not_be_told_is_told_with_the_next() -> None:
    tally = Tally()
    tally.add("requests")
    tally.untold()
    tally.add("requests")
    assert [entry.value for entry in tally.untold()] == [2]


def test_sums_of_seconds_do_not_leave_crumbs_that_are_told_for_ever() -> None:
    tally = Tally()
    for number in range(1, 50):
        tally.observe(0.1 / number, "seconds")
        tally.untold()
        tally.told()
    assert tally.untold() == []


def test_a_forked_child_begins_with_nothing_and_leaves_its_parents_block_alone(
    tmp_path: Path,
) -> None:
    script = """
import os, sys
from pathlib import Path
from mltrading.utils.tally import Tally
tally = Tally()
tally.share(Path(sys.argv[1]))
tally.add("requests")
if os.fork() == 0:
    assert not tally.shared and tally.everyone().entries == []
    tally.add("requests", amount=5)
    tally.share(Path(sys.argv[1]))
    assert len(list(Path(sys.argv[1]).iterdir())) == 2, "the parent still holds its own"
    print([entry.value for entry in tally.everyone().entries], flush=True)
    os._exit(0)
os.wait()
print([entry.value for entry in tally.everyone().entries], flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[6.0]\n[6.0]\n", "")


def test_without_room_what_comes_is_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "CAPACITY", 2)
    tally = Tally()
    for name in ("a", "b", "c", "d", "c"):
        tally.add(name)
    tally.add("x" * 500)
    assert {entry.key: entry.value for entry in tally.everyone().entries} == {
        ("a",): 1,
        ("b",): 1,
        OVERFLOW: 4,
    }


def test_a_name_is_kept_as_it_is_up_to_its_separator() -> None:
    tally = Tally()
    tally.add("requests", "/größe/<path:x>", "a\0b")
    tally.add("empty", "", "")
    assert [entry.key for entry in tally.everyone().entries] == [
        ("empty", "", ""),
        ("requests", "/größe/<path:x>", "a?b"),
    ]


def test_a_file_that_is_no_block_is_passed_over(tmp_path: Path) -> None:
    tally = Tally()
    tally.share(tmp_path)
    tally.add("requests")
    (tmp_path / "9.block").write_bytes(b"")
    assert value(tally, "requests") == 1
