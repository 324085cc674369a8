"""The process between `mltrading serve` and the worker beside it: it starts the worker, starts it
again, and ends it with the server, whatever ends that.

Run as a file by `python -I -S`, standard library only, so that it stays small:

    keeper.py SOCKET COMMAND [ARGUMENT...]
        detach; run the command once a byte came through SOCKET, until the other end is closed.

It is nobody's child: gunicorn's master takes every child for a worker of its own.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time

PAUSES_SECONDS = (0.0, 1.0, 5.0, 15.0, 60.0)
"""Before each start; one that ran for longer than STEADY_SECONDS begins anew."""
STEADY_SECONDS = 60.0
END_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


class Keeper:
    """`owner` is the socket to the server."""

    def __init__(self, owner: socket.socket, command: list[str]) -> None:
        self._owner = owner
        self._command = command
        self._woken, self._wakes = socket.socketpair()
        for one in (self._woken, self._wakes):
            one.setblocking(False)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def run(self) -> None:
        """Until the server is gone."""
        if not self._owner.recv(1):
            return
        attempt = 0
        while not self._ended_within(PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS) - 1)]):
            begun = time.monotonic()
            child = self._start()
            if self._watch(child):
                return
            steady = time.monotonic() - begun > STEADY_SECONDS
            attempt = 1 if steady else attempt + 1

    def _start(self) -> subprocess.Popen[bytes]:
        # There is one thread here, so that what runs in the child before it is the command is safe.
        return subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            self._command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
        )

    def _watch(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether the server ended first; the child has ended either way."""
        while child.poll() is None:
            if self._ended_within(None):
                end(child, END_SECONDS)
                return True
        return False

    def _ended_within(self, seconds: float | None) -> bool:
        """Whether the server is gone after so long; None: after a child ended, or any signal."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready, _, _ = select.select([self._owner, self._woken], [], [], left)
            if self._owner in ready and not self._owner.recv(64):
                return True
            if self._woken in ready:
                self._woken.recv(4096)
            if until is None or time.monotonic() >= until:
                return False


def end(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Tell it to end, and kill it where it has not in so long."""
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_with_parent() -> None:
    """Also where this keeper is killed."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main(place: str, *command: str) -> None:
    if os.fork():
        os._exit(0)
    Keeper(socket.socket(fileno=int(place)), list(command)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
