"""How much of the machine is used: of the container's allowance where there is one, else of all.

Reads the files of Linux; elsewhere most of it stays unknown.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mltrading.services.ports.operations import MachineState


class LinuxMachine:
    """`folders`: the fullest of their disks counts. `root` is where /proc and /sys are."""

    def __init__(
        self,
        folders: Sequence[Path],
        root: Path = Path("/"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = folders
        self._root = root
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._before: tuple[float, float] | None = None

    def read(self) -> MachineState:
        with self._lock:
            return MachineState(self.rss([os.getpid()]), self._memory(), self._cpu(), self._disk())

    def rss(self, processes: Sequence[int]) -> int | None:
        """Resident memory of these together; None where none of them can be read."""
        found = None
        for process in processes:
            with suppress(OSError, ValueError, IndexError):
                pages = int(self._text(f"proc/{process}/statm").split()[1])
                found = (found or 0) + pages * os.sysconf("SC_PAGE_SIZE")
        return found

    def _memory(self) -> float | None:
        limit, used = self._cgroup_memory()
        with suppress(OSError, ValueError, KeyError):
            rows = (line.split() for line in self._text("proc/meminfo").splitlines())
            known = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1}
            total = known["MemTotal"]
            if limit is None or used is None or limit >= total:
                return 1 - known["MemAvailable"] / total
        return used / limit if limit and used is not None else None

    def _cgroup_memory(self) -> tuple[int | None, int | None]:
        """The container's limit, and what of it can not be given back at once."""
        for limit, used, statistics, cache in (
            ("memory.max", "memory.current", "memory.stat", "inactive_file"),
            (
                "memory/memory.limit_in_bytes",
                "memory/memory.usage_in_bytes",
                "memory/memory.stat",
                "total_inactive_file",
            ),
        ):
            with suppress(OSError, ValueError):
                most = int(self._cgroup(limit))  # "max" is no number
                rows = (line.split() for line in self._cgroup(statistics).splitlines())
                idle = next((int(row[1]) for row in rows if row and row[0] == cache), 0)
                return most, max(0, int(self._cgroup(used)) - idle)
        return None, None

    def _cpu(self) -> float | None:
        """The share of the processors since the last call."""
        now = self._cgroup_cpu() or self._machine_cpu()
        before, self._before = self._before, now
        if now is None or before is None or now[1] <= before[1]:
            return None
        return min(1.0, max(0.0, (now[0] - before[0]) / (now[1] - before[1])))

    def _cgroup_cpu(self) -> tuple[float, float] | None:
        """Seconds of a processor used and allowed so far; None where nothing limits them."""
        with suppress(OSError, ValueError):
            quota, period = self._cgroup("cpu.max").split()
            rows = (line.split() for line in self._cgroup("cpu.stat").splitlines())
            used = next(int(row[1]) for row in rows if row[0] == "usage_usec")
            return used / 1e6, self._monotonic() * int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota, period = (self._cgroup(f"cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
            if int(quota) > 0:
                used = int(self._cgroup("cpuacct/cpuacct.usage"))
                return used / 1e9, self._monotonic() * int(quota) / int(period)
        return None

    def _machine_cpu(self) -> tuple[float, float] | None:
        """Ticks of all processors, busy and in all."""
        with suppress(OSError, ValueError, IndexError):
            ticks = [int(text) for text in self._text("proc/stat").splitlines()[0].split()[1:9]]
            return float(sum(ticks) - ticks[3] - ticks[4]), float(sum(ticks))
        return None

    def _disk(self) -> float | None:
        shares = []
        for folder in self._folders:
            with suppress(OSError):
                disk = os.statvfs(folder)
                if disk.f_blocks:
                    shares.append(disk.f_bavail / disk.f_blocks)
        return min(shares, default=None)

    def _cgroup(self, name: str) -> str:
        return self._text(f"sys/fs/cgroup/{name}").strip()

    def _text(self, name: str) -> str:
        return (self._root / name).read_text(encoding="ascii")
