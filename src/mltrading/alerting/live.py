"""alerting.yml of a program that runs on: read again when it changes, and kept when that fails."""

from __future__ import annotations

import threading
from pathlib import Path

from mltrading.alerting import Alerting, parse_alerting_file
from mltrading.errors import ConfigurationError


class LiveFile:
    """Raises ConfigurationError where the file is wrong at the start. From then on the last good
    one holds, and `problem` says what is wrong with the present one ("": nothing)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._good = parse_alerting_file(path)
        self._problem = ""

    @property
    def problem(self) -> str:
        return self._problem

    def current(self) -> Alerting:
        """What holds now."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._read()
            return self._good

    def read_again(self) -> None:
        """Whatever its time stamp says: somebody asked for it."""
        with self._lock:
            self._stamp = self._look()
            self._read()

    def _read(self) -> None:
        try:
            self._good, self._problem = parse_alerting_file(self._path), ""
        except ConfigurationError as error:
            self._problem = str(error)

    def _look(self) -> tuple[int, int, int] | None:
        """What changes with the file. A mounted ConfigMap is another file each time."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
