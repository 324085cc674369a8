"""The port services.ports.alerts.Spool: one file, replaced as a whole, and a lock beside it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mltrading.adapters.postgres import alert_rows as rows
from mltrading.domain.alerting.silences import Silence
from mltrading.services.ports.alerts import Kept, Spooled

log = logging.getLogger(__name__)

NAME = "alerts-spool.json"
FORM = 1
LONGEST_BYTES = 4_000_000


class SpoolFile:
    """In `folder`, which is made where it is missing. The lock lasts as long as the object."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock: int | None = None
        self._ours = self._take()

    @property
    def ours(self) -> bool:
        return self._ours

    def _take(self) -> bool:
        """Whether nobody else has it; on a disk that can not be written nobody has anything."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            return False
        except OSError as error:
            log.warning("alerts can not be kept in %s: %s", self._path.parent, error.strerror)
        return True

    def close(self) -> None:
        """Leave the lock to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> Spooled | None:
        try:
            with self._path.open("rb") as file:
                content = file.read(LONGEST_BYTES + 1)
            return _spooled(json.loads(content, object_hook=_revived))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever was done to the file, alerts must go on
            log.warning("%s can not be read and counts as empty: %r", self._path, error)
            return None

    def save(self, spooled: Spooled) -> bool:
        if not self._ours:
            return False
        content = json.dumps(_plain(spooled), default=_stamped, ensure_ascii=False).encode()
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError:
            return False
        return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(spooled: Spooled) -> dict[str, object]:
    return {
        "form": FORM,
        "session": spooled.session,
        "alerts": [rows.alert_row(one) for one in spooled.alerts.values()],
        "told": [rows.told_row(one) for one in spooled.told],
        "silences": [_silence_row(one) for one in spooled.silences],
        "messages": [rows.kept_row(one) for one in spooled.messages],
        "events": [rows.event_row(one) for one in spooled.events],
    }


def _spooled(plain: Mapping[str, Any]) -> Spooled:
    if plain["form"] != FORM:
        raise ValueError(f"a file of form {plain['form']}")
    alerts = [rows.alert_of(tuple(row)) for row in plain["alerts"]]
    return Spooled(
        plain["session"],
        {one.key: one for one in alerts},
        tuple(rows.told_of(tuple(row)) for row in plain["told"]),
        tuple(rows.silence_of(tuple(row)) for row in plain["silences"]),
        tuple(_kept(row) for row in plain["messages"]),
        tuple(rows.event_of(tuple(row)) for row in plain["events"]),
    )


def _kept(row: Sequence[Any]) -> Kept:
    *message, state, attempts, queued_at, _, reason = row
    return Kept(rows.queued_of(message), queued_at, state, attempts, reason)


def _silence_row(one: Silence) -> rows.Row:
    return one.id, one.text, one.author, one.reason, one.starts_at, one.ends_at


def _stamped(value: object) -> object:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    raise TypeError(f"{type(value).__name__} can not be kept")


def _revived(value: dict[str, Any]) -> object:
    return datetime.fromisoformat(value["at"]) if value.keys() == {"at"} else value
