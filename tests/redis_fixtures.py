"""A real Redis server for tests: Debian's, on a free port, which keeps nothing."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser_fixtures import refuse_or_skip
from tests.waiting import held_port, wait_until


class RedisServer:
    """To be started, stopped and started again on the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *options, str(self._folder)], stdout=log, stderr=log
            )
        wait_until(self.answers, "the Redis server answers")

    def answers(self) -> bool:
        try:
            return self._says(b"PING") == b"+PONG\r\n"
        except OSError:
            return False

    def flush(self) -> None:
        assert self._says(b"FLUSHALL") == b"+OK\r\n"

    def _says(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(command + b"\r\n")
            return client.recv(100)

    def pause(self) -> None:
        """It keeps its connections and answers nothing, until it is resumed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def redis_server(run_folder: Path) -> Iterator[RedisServer]:
    """A running server for this worker."""
    if shutil.which("redis-server") is None:
        refuse_or_skip("redis-server is missing; on Debian or Ubuntu: apt-get install redis-server")
    with held_port() as port:
        server = RedisServer(run_folder, port)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the server, running."""
    if redis_server.process is None:
        redis_server.start()
    redis_server.resume()
    return redis_server.url
