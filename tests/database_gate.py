"""The test server over TCP, with TLS or without: it has a socket alone, and speaks no TLS itself.

A gate answers PostgreSQL's question for encryption as a server would, and passes the rest on.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
BLOCK = 65536


@contextmanager
def gate(url: str, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of the same database over TCP; encrypted where a server's context is given."""
    known = parse_dsn(url)
    behind = f"{known['host']}/.s.PGSQL.{known.get('port', 5432)}"

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            first, client = self.request.recv(BLOCK), self.request
            if first == SSL_REQUEST:
                client.sendall(b"S" if context else b"N")
                client = context.wrap_socket(client, server_side=True) if context else client
                first = b""
            with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
                server.connect(behind)
                server.sendall(first)
                back = threading.Thread(target=_pass_on, args=(server, client))
                back.start()
                _pass_on(client, server)
                back.join()

    with _Gate(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            user, name = quote(known["user"]), known["dbname"]
            yield f"postgresql://{user}@127.0.0.1:{listening.server_address[1]}/{name}"
        finally:
            listening.shutdown()
            thread.join()


class _Gate(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(BLOCK):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
