"""A TCP way to a server that fails as a test decides: slow, hung, cut in the middle of an answer,
closed. (toxiproxy is in no package index that is used here.)"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.listening import listening

PIECE = 1 << 16


@dataclass
class Proxy:
    """Passes on what comes, both ways. May be changed while it runs, for open connections too."""

    connect: Callable[[], socket.socket]
    port: int = 0
    delay_seconds: float = 0.0
    """Before each piece of an answer."""
    hang: bool = False
    """Nothing goes either way; what comes meanwhile is kept."""
    cut_after: int | None = None
    """So many bytes of the next answer, then the connection ends. Counts down."""
    refuse: bool = False
    """A new connection ends at once."""
    _going: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def drop(self) -> None:
        """Cut every connection that is open."""
        with self._lock:
            lines, self._open = self._open, set()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket) -> None:
        if self.refuse:
            client.close()
            return
        with client, self.connect() as server:
            with self._lock:
                self._open |= {client, server}
            asking = threading.Thread(
                target=self._pass_on, args=(client, server, False), daemon=True
            )
            asking.start()
            self._pass_on(server, client, True)
            asking.join()
            with self._lock:
                self._open -= {client, server}

    def _pass_on(self, source: socket.socket, sink: socket.socket, answer: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                while self.hang and not self._going.is_set():
                    self._going.wait(0.02)
                if answer and self.delay_seconds:
                    self._going.wait(self.delay_seconds)
                if answer and self.cut_after is not None:
                    piece, self.cut_after = piece[: self.cut_after], self.cut_after - len(piece)
                    sink.sendall(piece)
                    if self.cut_after <= 0:
                        self.cut_after = None
                        break
                    continue
                sink.sendall(piece)
        for line in (source, sink):  # the other direction ends with it
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._going.set()
        self.drop()


@contextmanager
def proxied(connect: Callable[[], socket.socket]) -> Iterator[Proxy]:
    """A proxy on a free port of 127.0.0.1 until the block ends; `connect` opens a line to what is
    behind it."""
    proxy = Proxy(connect)
    try:
        with listening(proxy.serve) as proxy.port:
            yield proxy
    finally:
        proxy.stop()


def to_socket(path: str) -> Callable[[], socket.socket]:
    """Opens lines to a socket of the file system."""

    def connect() -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(path)
        except OSError:
            line.close()
            raise
        return line

    return connect
