"""Say what takes long. A step that is over within a second stays silent."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

SILENT_SECONDS = 1.0
REDRAW_SECONDS = 0.2
PLAIN_LINE_EVERY_SECONDS = 10.0


class Progress:
    """One step at a time on a stream: a line that counts on a terminal, plain lines elsewhere.

    Calling it with a title ends the step before and begins one, so it serves wherever a
    `Callable[[str], None]` is wanted. It draws from a thread of its own; close it (or leave the
    `with` block) before forking.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._title = self._detail = ""
        self._started = self._drawn = 0.0
        self._shown = False

    def __call__(self, title: str) -> None:
        """End the running step, if any, and begin the step `title`."""
        self._finish("")
        with self._lock:
            self._title, self._detail, self._shown = title, "", False
            self._started = self._drawn = self._clock()
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._draw_until_ended, daemon=True)
            self._thread.start()

    def update(self, done: float, total: float | None = None, unit: str = "") -> None:
        """How far the running step is: a share of `total`, or a plain count of `unit`."""
        unit = f" {unit}" if unit else ""
        if total:
            detail = f"{min(done / total, 1):4.0%} of {total:,.0f}{unit}"
        else:
            detail = f"{done:,.0f}{unit}"
        with self._lock:
            self._detail = detail

    def close(self, failed: bool = False) -> None:
        """End the running step and the drawing thread."""
        self._finish(" (failed)" if failed else "")
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(failed=error is not None)

    def _draw_until_ended(self) -> None:
        while not self._ended.wait(REDRAW_SECONDS):
            with self._lock:
                self.draw()

    def draw(self) -> None:
        """Show the running step where it is due; the drawing thread calls this under its lock."""
        now = self._clock()
        if not self._title or now - self._started < SILENT_SECONDS:
            return
        line = " ".join(filter(None, (self._title, "...", self._detail)))
        if self._terminal:
            self._write(f"\r\x1b[K{line} {now - self._started:.0f} s")
        elif not self._shown or now - self._drawn >= PLAIN_LINE_EVERY_SECONDS:
            self._drawn = now
            self._write(f"{line}\n")
        self._shown = True

    def _finish(self, outcome: str) -> None:
        with self._lock:
            seconds = self._clock() - self._started
            if self._shown or (self._title and seconds >= SILENT_SECONDS):
                start = "\r\x1b[K" if self._terminal else ""
                detail = f" ({self._detail.strip()})" if self._detail else ""
                self._write(f"{start}{self._title}{detail}: {seconds:.1f} s{outcome}\n")
            self._title, self._shown = "", False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
