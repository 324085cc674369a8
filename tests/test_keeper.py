"""The process that keeps a worker beside a server: started when told, again when it died, and gone
with the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mltrading.cli import keeper
from tests.waiting import wait_until

CHILD = """
import os, signal, sys
if len(sys.argv) > 2: signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "a") as told: told.write(f"{os.getpid()}\\n")
while True: signal.pause()
"""


class Kept:
    """A keeper, and the numbers of the children that it started."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told"
        self.told.touch()
        self.end, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", "-c", CHILD, str(self.told)]
        with theirs:
            subprocess.run(
                [sys.executable, keeper.__file__, str(theirs.fileno()), *command],
                pass_fds=(theirs.fileno(),),
                check=True,
            )

    def children(self) -> list[int]:
        return list(map(int, self.told.read_text().split()))

    def child(self, number: int) -> int:
        """The one that was started as that one."""
        wait_until(lambda: len(self.children()) >= number, f"{number} were started")
        return self.children()[number - 1]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.end.close()
    wait_until(lambda: not any(map(alive, made.children())), "no child is left")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_child_starts_when_told_and_again_when_it_dies(kept: Kept) -> None:
    assert kept.children() == []
    kept.end.send(b"b")
    first = kept.child(1)
    os.kill(first, signal.SIGKILL)
    assert kept.child(2) != first and alive(kept.child(2))


def test_a_child_ends_with_the_server_even_one_that_was_killed(kept: Kept) -> None:
    kept.end.send(b"b")
    child = kept.child(1)
    kept.end.close()  # what the system does with the sockets of a process that it kills
    wait_until(lambda: not alive(child), "the child is gone")
    assert kept.children() == [child]


def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", CHILD, str(told), "deaf"])
    wait_until(lambda: told.exists() and told.read_text(), "it is deaf")
    keeper.end(child, 0.05)
    assert child.returncode == -signal.SIGKILL


def test_a_child_ends_with_its_keeper(kept: Kept) -> None:
    kept.end.send(b"b")
    child = kept.child(1)
    os.kill(parent(child), signal.SIGKILL)
    wait_until(lambda: not alive(child), "the child is gone")
    assert kept.end.recv(1) == b""


def test_a_server_that_ends_before_its_first_page_starts_nothing(kept: Kept) -> None:
    kept.end.shutdown(socket.SHUT_WR)
    assert kept.end.recv(1) == b"", "the keeper is gone"
    assert kept.children() == []
