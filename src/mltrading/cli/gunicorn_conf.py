"""How gunicorn runs the dashboard: `gunicorn -c python:mltrading.cli.gunicorn_conf
mltrading.wsgi:server`, and in-process by `mltrading serve`."""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any

from gunicorn.glogging import Logger

from mltrading.cli.exposure import refuse_open
from mltrading.cli.start import level_of
from mltrading.errors import ConfigurationError, MLTradingError
from mltrading.settings import WEB_THREADS, WEB_WORKERS, Settings, load_settings
from mltrading.utils import logs
from mltrading.utils.text import one_line


def _level() -> str:
    """That of the settings; what is wrong with them ends the start in one line."""
    try:
        return level_of(load_settings().monitoring)
    except MLTradingError as error:
        sys.exit(f"mltrading: {one_line(str(error))}")


bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8050'}"
worker_class = "gthread"  # a slow query occupies one thread, and the others go on answering
workers = WEB_WORKERS
threads = WEB_THREADS
preload_app = True  # one import for all workers, whose memory is shared until written
timeout = 60
graceful_timeout = 25  # platforms kill after 30 s
keepalive = 5
control_socket_disable = True  # it would open ~/.gunicorn/gunicorn.ctl
loglevel = _level()
# Whether a proxy is believed is the application's to judge (MLTRADING_PROXY), and no header may say
# what a request is for.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


class OurLog(Logger):
    """gunicorn's own lines come as ours do, which the application sets up (cli/start.py)."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)  # type: ignore[no-untyped-call]
        if logs.kept() is None:  # the application is not loaded yet
            plain = os.environ.get("ENVIRONMENT", "development") == "development"
            logs.set_up(cfg.loglevel, plain=plain)
        logs.take_over_gunicorn()


logger_class = OurLog
if os.access("/dev/shm", os.W_OK):  # noqa: S108 - the heartbeat must not wait for a disk
    worker_tmp_dir = "/dev/shm"  # noqa: S108

HAND_OVER_SECONDS = 1.0
STALL_SECONDS = 5  # a connection that says nothing for longer loses its thread
_PR_SET_PDEATHSIG = 1
_STOPPING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def when_ready(arbiter: Any) -> None:
    """Before the first fork."""
    settings = load_settings()
    for listener in arbiter.LISTENERS:
        _refuse_open(settings, listener.sock)
    _load_whole()
    # What is loaded now is never garbage, and a collector that does not visit it leaves its
    # memory pages shared between the workers.
    gc.collect()
    gc.freeze()
    # A worker that is told to stop before it can listen would miss that, and be waited for.
    os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals)
    for listener in arbiter.LISTENERS:
        _limit_stalls(listener.sock)


def _load_whole() -> None:
    """pandas is loaded by the first thread that needs it, and meanwhile plotly, which writes every
    answer, takes the part of it that is there for the whole: 500. Here nobody asks yet, and the
    workers share its memory."""
    import pandas  # noqa: F401 - see above


def _refuse_open(settings: Settings, listener: socket.socket) -> None:
    """Not by a socket of the file system: whoever may open it is on this machine."""
    if listener.family == socket.AF_UNIX:
        return
    try:
        refuse_open(settings, listener.getsockname()[0])
    except ConfigurationError as error:
        raise RuntimeError(str(error)) from None  # gunicorn tells it in one line


def _limit_stalls(listener: socket.socket) -> None:
    """Keep the few threads for those who ask: browsers open connections ahead of need, and eight
    half-sent requests would otherwise hold every thread for as long as their senders like."""
    if not sys.platform.startswith("linux") or listener.family == socket.AF_UNIX:
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)  # accept what was asked
    limit = struct.pack("@ll", STALL_SECONDS, 0)  # accepted sockets inherit it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def post_fork(arbiter: Any, worker: Any) -> None:
    """A worker ends with its master, even when that was killed and could not tell it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != worker.ppid:  # it died before the call above
        os._exit(0)


def post_worker_init(worker: Any) -> None:
    """Load what the first questions need while the worker already answers."""
    # Ctrl-C reaches every process of the terminal, and then the master tells its workers to quit.
    # gunicorn's handler takes a lock, so a worker told twice at once would wait for itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _release_signals()  # its handlers are in place
    begin, warm = _of_server(worker, "mltrading-begin"), _of_server(worker, "mltrading-warm")
    if begin is not None:
        begin()
    if warm is not None:
        threading.Thread(target=warm, name="warm", daemon=True).start()


def _of_server(worker: Any, name: str) -> Any:
    """What app.py left with the server under that name. Not through getattr: before its first use
    the server of wsgi.py would start a database."""
    return vars(worker.wsgi).get("extensions", {}).get(name)


def worker_exit(arbiter: Any, worker: Any) -> None:
    """Leave without taking the interpreter apart, which would copy every shared page: a second.
    Every request was answered or given up by now. (A failed start keeps its exit code.)"""
    if worker.booted:
        _hand_over(worker)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _hand_over(worker: Any) -> None:
    """What was counted and traced since the last time; whoever should take it and is not there must
    not keep the worker."""
    threads = [
        threading.Thread(target=end, name="hand-over", daemon=True)
        for end in _of_server(worker, "mltrading-end") or ()
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + HAND_OVER_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def on_exit(arbiter: Any) -> None:
    """The numbers that the workers shared go with their master."""
    from mltrading.utils.scratch import remove

    remove(os.getpid())


def application(server: Any, options: dict[str, Any]) -> Any:
    """gunicorn around an application object of this process; `run()` it."""
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc,unused-ignore]
        cfg: Any

        def load_config(self) -> None:
            for name in self.cfg.settings.keys() & options.keys():
                self.cfg.set(name, options[name])

        def load(self) -> Any:
            return server

    run: Any = Application
    return run()
