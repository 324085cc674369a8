"""Real `mltrading worker` processes that alert, and receivers that answer as a test decides."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.factories import SECRET_KEY

CONFIGURATION = "environment: production\nmonitoring: {alerts: true}\n"
HURRIED = """
import sys
from mltrading.services import alert_delivery, alert_engine, alert_sensors, price_watch
from mltrading.utils import retry
alert_engine.EVERY_SECONDS, alert_engine.SOON_SECONDS = 0.3, 0.1
alert_sensors.DATABASE_AGAIN_SECONDS = alert_sensors.APP_AGAIN_SECONDS = 0.1
alert_delivery.LOOK_EVERY_SECONDS, alert_delivery.LEASE_SECONDS = 0.2, 4.0
price_watch.EVERY_SECONDS = 0.2
retry.FIRST_PAUSE_SECONDS, retry.LONGEST_PAUSE_SECONDS = 0.05, 0.5
from mltrading.__main__ import main
main(sys.argv[1:])
"""
"""The program with shorter pauses; nothing else of it differs."""


@dataclass
class Receiver:
    """Whatever is posted to it, by the id of the message, with how it was answered. `answer` is
    given the number of the request (1, 2, ...) and says status, headers and seconds to wait."""

    answer: Callable[[int], tuple[int, dict[str, str], float]] = lambda number: (200, {}, 0.0)
    url: str = ""
    got: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def delivered(self) -> Counter[str]:
        """How often each message was taken."""
        with self.lock:
            return Counter(message for message, status, _ in self.got if 200 <= status < 300)

    @property
    def busy(self) -> int:
        """Requests that have arrived and are not answered yet."""
        with self.lock:
            return self.requests - len(self.got)

    def taken(self) -> list[dict[str, Any]]:
        """The bodies that were taken, in their order."""
        with self.lock:
            return [body for _, status, body in self.got if 200 <= status < 300]


def id_of(body: dict[str, Any], headers: dict[str, str]) -> str:
    """The id of a message in the body of Slack or PagerDuty, or the head of a webhook."""
    text = json.dumps(body)
    found = re.search(r"Message ([0-9a-f]{32}|m[0-9]+)", text)
    if found:
        return found[1]
    return headers.get("webhook-id") or f"{body.get('event_action')} {body.get('dedup_key')}"


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.loads(content or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.lock:
                receiver.requests += 1
                status, extra, seconds = receiver.answer(receiver.requests)
            stopping.wait(seconds)
            with receiver.lock:
                receiver.got.append((id_of(body, headers), status, body))
            try:
                self.send_response(status)
                for name, value in {"content-length": "0", **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                return  # whoever asked was killed

        def log_message(self, *_: Any) -> None:
            """A test says what it wants to see."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A client that is killed is what these tests are about."""

    stopping = threading.Event()
    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def half_fails(seed: int) -> Callable[[int], tuple[int, dict[str, str], float]]:
    """Every second answer on average is a 500, 503 or 429; some take a while."""
    rng = random.Random(seed)

    def answer(number: int) -> tuple[int, dict[str, str], float]:
        seconds = rng.choice([0.0, 0.01, 0.05])
        if rng.random() < 0.5:
            return 200, {}, seconds
        status = rng.choice([500, 503, 429])
        return status, {"retry-after": "0"} if status == 429 else {}, seconds

    return answer


def environment(folder: Path, database_url: str, alerting: str, **more: str) -> dict[str, str]:
    """Of a worker whose files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "production.yml").write_text(CONFIGURATION)
    (folder / "alerting.yml").write_text(alerting)
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in ("WEBHOOK_SECRET", "SMTP_URL")
        },
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": database_url,
        "MLTRADING_CONFIG": str(folder),
        "MLTRADING_HOME": str(folder / "home"),
        "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
        **more,
    }


class Worker:
    """One process, with a log that is shown when a test fails."""

    def __init__(self, env: dict[str, str], log: Path, *, hurried: bool = True) -> None:
        program = ["-c", HURRIED] if hurried else ["-m", "mltrading"]
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program, "worker", "--digest-hour", "23"],
                env=env,
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> float:
        """End it; the seconds that it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0, self.said()
        return time.monotonic() - started


@contextmanager
def working(env: dict[str, str], log: Path, *, hurried: bool = True) -> Iterator[Worker]:
    worker = Worker(env, log, hurried=hurried)
    try:
        yield worker
    except BaseException:
        print(worker.said())
        raise
    finally:
        if worker.process.poll() is None:
            worker.kill()
