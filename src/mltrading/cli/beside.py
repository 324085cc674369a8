"""The worker that `mltrading serve` runs beside itself where the database is its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")
END_SECONDS = 8.0  # the keeper kills a worker that takes longer than 5


class WorkerBeside:
    """A `mltrading worker` that runs from `begin` to `end`, is started again when it dies, and ends
    with this process, however that ends. Forked children may call `begin`."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # -W: Python 3.12 warns of a fork beside a thread.
            subprocess.run(
                [
                    *(sys.executable, "-I", "-S", "-W", "ignore", str(KEEPER)),
                    *(str(theirs.fileno()), sys.executable, "-m", "mltrading", "worker"),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C of a terminal is for the server, which ends it
                check=True,
            )

    def begin(self) -> None:
        with suppress(OSError):  # somebody killed the keeper: there is no worker to begin
            self._socket.send(b"b")

    def end(self) -> None:
        """Returns once the worker has ended, or does not within 8 s."""
        with self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.settimeout(END_SECONDS)
                self._socket.recv(1)
