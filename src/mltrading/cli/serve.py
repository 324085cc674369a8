"""`mltrading serve`: database, schema, sample, web server, and beside the embedded database a
worker, in one command that Ctrl-C ends."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mltrading.cli.beside import WorkerBeside
from mltrading.cli.database import migrated_url
from mltrading.cli.exposure import refuse_open
from mltrading.cli.start import configured, level_of
from mltrading.errors import ConfigurationError
from mltrading.settings import Settings
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from flask import Flask

BACKLOG = 2048


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument(
        "--port", type=port_number, help="port to listen on (default: PORT, or 8050)"
    )
    parser.add_argument(
        "--no-worker",
        action="store_true",
        help="leave alerts and jobs to your own (without DATABASE_URL a worker runs beside this)",
    )
    parser.set_defaults(run=run)


def port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 65535, not '{text}'")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    gc.disable()  # nothing that an import makes is garbage; gunicorn_conf.when_ready collects
    settings = configured()
    host, port = arguments.host or settings.host, arguments.port or settings.port
    listener = listen(host, port)
    with ExitStack() as opened:
        opened.callback(listener.close)
        refuse_open(settings, listener.getsockname()[0])
        with Progress() as say:
            # The database starts in processes of its own, while this one imports the dashboard.
            preparing = in_background(lambda: prepare(settings, opened, say))
            from mltrading.app import create_app

            server = create_app(settings, preparing.result()).server
        gc.enable()
        beside = None
        if settings.database_url is None and not arguments.no_worker:
            beside = WorkerBeside()
            opened.callback(beside.end)
        serve(server, listener, address(host, port), level_of(settings.monitoring), beside)
    return 0


def in_background(function: Callable[[], str]) -> Future[str]:
    """The outcome of `function`, run by a thread that does not keep Ctrl-C waiting."""
    outcome: Future[str] = Future()

    def work() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # it is raised where the outcome is asked for
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return outcome


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, held from the start so that nobody else takes the port meanwhile."""
    try:
        family, kind, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise ConfigurationError(f"unknown host '{host}': set HOST or --host") from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_why_not(error, host, port)) from None
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    other = f"choose another with --port {port + 1 if port < 65535 else 8050} or PORT="
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; {other}"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for root; {other}"
    return f"can not listen on {host} port {port}: {error.strerror}; set HOST or --host"


def prepare(settings: Settings, opened: ExitStack, say: Callable[[str], None]) -> str:
    """The URL of a database that is ready to be shown; what it needs stays open in `opened`."""
    url = opened.enter_context(migrated_url(settings, say))
    if settings.environment == "development" and settings.features.test_mode:
        from mltrading.cli.sample import load_if_empty

        load_if_empty(url, say)
    say("Loading the dashboard")
    return url


def address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared only
    return f"http://{f'[{shown}]' if shown.count(':') > 1 and shown[0] != '[' else shown}:{port}"


def serve(
    server: Flask,
    listener: socket.socket,
    url: str,
    log_level: str,
    beside: WorkerBeside | None = None,
) -> None:
    """Run gunicorn in this process until a signal ends it; prints `url` once a page came, and then
    begins the worker beside it, which would make the page wait."""
    from mltrading.cli import gunicorn_conf

    def announce(worker: Any) -> None:
        gunicorn_conf.post_worker_init(worker)
        if worker.age == 1:
            threading.Thread(target=first_page, daemon=True).start()

    def first_page() -> None:
        announce_when_answering(place, url)
        if beside is not None:
            beside.begin()

    place = listener.getsockname()
    options = {
        **vars(gunicorn_conf),
        "bind": f"fd://{listener.detach()}",  # gunicorn closes it
        "loglevel": log_level,
        "post_worker_init": announce,
    }
    try:
        gunicorn_conf.application(server, options).run()
    except SystemExit as end:  # how gunicorn always ends
        if end.code:
            raise


def announce_when_answering(place: tuple[str, int], url: str) -> None:
    """Ask for the first page as a browser would, and print `url` when it came."""
    with socket.create_connection(place[:2], timeout=60) as client:
        client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        status = client.makefile("rb").readline()
    if b" 200 " in status or b" 302 " in status or b" 308 " in status:  # to /login, to HTTPS
        os.write(1, f"{url}\n".encode())
    else:
        said = status.decode("latin-1").strip() or "nothing"
        os.write(2, f"mltrading: the first page did not come, the server said: {said}\n".encode())
