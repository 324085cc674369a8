"""A TCP server of a test: a thread for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port, until the block ends; each connection is `serve`d, and closed then. Its errors of
    the connection are silent: a peer that goes away is what many tests are about."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def one(line: socket.socket) -> None:
        with suppress(OSError):
            serve(line)
        line.close()

    def accept() -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                line, _ = listener.accept()
                threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
