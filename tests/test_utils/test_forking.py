"""What each process begins for itself, once."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from mltrading.utils.forking import OncePerProcess

pytestmark = pytest.mark.smoke


def test_it_happens_once_however_many_threads_come_and_all_wait_for_it() -> None:
    done: list[str] = []
    entered, go = threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        go.wait()
        done.append("begun")

    once = OncePerProcess(slow)
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: (once(), seen.append(list(done)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    entered.wait()
    go.set()
    for thread in threads:
        thread.join()
    assert seen == [["begun"]] * 4


def test_a_forked_child_begins_again() -> None:
    script = """
import os
from mltrading.utils.forking import OncePerProcess
once = OncePerProcess(lambda: print("begun", flush=True))
once(); once()
if os.fork() == 0:
    once(); once()
    os._exit(0)
os.wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("begun\nbegun\n", "")
