"""The log of every process: set up in one place, one line a record, nothing secret in it.

In staging and production a line is a JSON object; in development it is made to be read. Each says
for which request it is. Recent warnings and errors are also kept in memory until somebody takes
them (services/sampling.py stores them, so that the Ops page can search).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote, unquote, urlsplit

from mltrading.utils import measures
from mltrading.utils.context import current
from mltrading.utils.measures import TALLY

KEPT = 1000  # records that wait in memory; what comes on top of them is counted only
LONGEST = 20_000  # characters of a message or traceback
SHORTEST_SECRET = 4
HIDDEN = "***"
LIFE = "mltrading.life"
"""The logger of starts and ends, which are told at every level."""

_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of the log. `user` is a subject, which says nothing of the person."""

    at: datetime
    level: str
    logger: str
    message: str
    request_id: str = ""
    user: str = ""
    route: str = ""
    callback: str = ""
    status: int | None = None
    duration_ms: float | None = None
    error_id: str = ""
    exception: str = ""


class Secrets:
    """Takes what must not be read out of a text, whole or as a part of an address, and as it is
    written inside one, in JSON and in Python."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for part in _parts(value) for form in _forms(part)}
        known = sorted((f for f in forms if len(f) >= SHORTEST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def hide(self, text: str) -> str:
        return self._known.sub(HIDDEN, text) if self._known else text


def _parts(value: str) -> set[str]:
    """The value, and of an address the password and the path, either of which may be a key."""
    found = {value}
    if "://" in value:
        try:
            parts = urlsplit(value)
        except ValueError:  # no address, but each piece of it may be a key all the same
            return found | set(re.split(r"[:/@?&=#]+", value))
        found |= {parts.password or "", unquote(parts.password or "")}
        if parts.scheme in ("http", "https") and len(parts.path) > 8:
            found.add(parts.path)
    return found


def _forms(text: str) -> set[str]:
    return {text, quote(text, safe=""), quote(text), json.dumps(text)[1:-1], repr(text)[1:-1]}


class Reader:
    """Makes a LogRecord of what Python's logging hands over."""

    def __init__(self, secrets: Secrets) -> None:
        self._hide = secrets.hide

    def read(self, record: logging.LogRecord) -> LogRecord:
        work = current()
        return LogRecord(
            at=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname.lower(),
            logger=record.name,
            message=self._hide(_message(record))[:LONGEST],
            request_id=work.request_id if work else "",
            user=work.user if work else "",
            route=work.route if work else "",
            callback=work.callback if work else "",
            status=work.status if work else None,
            duration_ms=work.duration_ms if work else None,
            error_id=work.error_id if work else "",
            exception=self._hide(_exception(record))[-LONGEST:],
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format must not lose the line, or the request
        return f"{record.msg!s} {record.args!r} ({error})"


def _exception(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return record.exc_text or ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


class JsonLines(logging.Formatter):
    """One JSON object a record, with what is known of it. Line ends inside are escaped."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._read = reader.read

    def format(self, record: logging.LogRecord) -> str:
        one = self._read(record)
        fields: dict[str, Any] = {
            "time": one.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": one.level,
            "logger": one.logger,
            "message": one.message,
            "request_id": one.request_id,
            "user": one.user,
            "route": one.route,
            "callback": one.callback,
            "status": one.status,
            "duration_ms": one.duration_ms,
            "error_id": one.error_id,
            "exception": one.exception,
            "process": record.process,
        }
        return json.dumps(
            {name: value for name, value in fields.items() if value not in ("", None)}
        )


class PlainLines(logging.Formatter):
    """Lines for a person: what an exception says is indented, so that nothing looks like a line."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._read = reader.read

    def format(self, record: logging.LogRecord) -> str:
        one = self._read(record)
        known = (one.callback or one.route, one.error_id)
        about = f" [{' '.join(filter(None, known))}]" if any(known) else ""
        message = _BREAKS.sub(lambda found: repr(found[0])[1:-1], one.message)
        lines = [f"{one.at.astimezone():%H:%M:%S} {one.level} {one.logger}{about}: {message}"]
        lines += [f"    {line}" for line in one.exception.splitlines()]
        return "\n".join(lines)


class Kept(logging.Handler):
    """Counts every record, and keeps those from warning on until they are taken."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(logging.NOTSET)
        self._read = reader.read
        self._kept: deque[LogRecord] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        TALLY.add(measures.LOG_RECORDS, record.levelname.lower())
        if record.levelno >= logging.WARNING and len(self._kept) < KEPT:
            self._kept.append(self._read(record))

    def newest(self) -> list[LogRecord]:
        """Those that wait; `taken` takes them away."""
        return list(self._kept)

    def taken(self, records: Sequence[LogRecord]) -> None:
        for _ in records:
            self._kept.popleft()

    def forget(self) -> None:
        self._kept.clear()


def kept() -> Kept | None:
    """What keeps the records of this process; None where no log was set up."""
    handlers = logging.getLogger().handlers
    return next((handler for handler in handlers if isinstance(handler, Kept)), None)


def as_json() -> bool:
    """Whether this process writes its log as JSON."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, JsonLines) for handler in handlers)


def set_up(
    level: str, *, plain: bool, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> Kept:
    """Give the process its log: records of `level` and worse on stderr. Again, it replaces what
    was set up before."""
    reader = Reader(Secrets(secrets))
    lines = logging.StreamHandler(stream or sys.stderr)
    lines.setFormatter(PlainLines(reader) if plain else JsonLines(reader))
    kept = Kept(reader)
    root = logging.getLogger()
    for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(handler)
    for handler in (lines, kept):
        setattr(handler, "ours", True)
        root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger(LIFE).setLevel(min(logging.INFO, root.level))
    logging.captureWarnings(True)
    take_over_gunicorn()
    if not plain:
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_of_thread
    os.register_at_fork(after_in_child=kept.forget)  # its parent tells them
    return kept


def take_over_gunicorn() -> None:
    """Its lines come in our form, whoever started it."""
    logger = logging.getLogger("gunicorn.error")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("mltrading").critical("the process ends", exc_info=(kind, error, trace))


def _log_uncaught_of_thread(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is not None and not isinstance(error, SystemExit):
        name = arguments.thread.name if arguments.thread else "unknown"
        logging.getLogger("mltrading").critical("thread %s ended", name, exc_info=error)
