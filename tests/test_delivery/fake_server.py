"""The HTTP under the fakes of platforms: requests as records, and answers that can go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["500", "503 page", "429", "silent", "lost", "cut"]
"""`silent` is not carried out and hangs up; `lost` and `cut` are carried out, but the answer does
not come or breaks off."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes


Sent = tuple[int, dict[str, str], bytes]
Dispatch = Callable[[Request], tuple[Sent, Fault | None]]


def _handler(dispatch: Dispatch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body go out apart; together they would wait 40 ms
        wbufsize = -1  # an answer leaves in one piece: two would wait 40 ms for each other

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(headers.get("content-length", 0)))
            (status, extra, body), fault = dispatch(
                Request(self.command, self.path, headers, content)
            )
            if fault in ("silent", "lost"):
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"content-type": "application/json", **extra}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
            self.close_connection = self.close_connection or fault == "cut"

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            """A fake keeps its calls."""

    return Handler


@contextmanager
def answering(dispatch: Dispatch) -> Iterator[str]:
    """The address of a server on this machine, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(dispatch))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
