"""How full the machine is, read from the files of Linux as containers of both kinds have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mltrading.adapters.machine import LinuxMachine

pytestmark = pytest.mark.smoke

MEMINFO = "MemTotal:       8000000 kB\nMemFree: 100 kB\nMemAvailable:    2000000 kB\n"
GIB = 1 << 30


class Machine:
    """A made-up /proc and /sys, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 100.0
        self.write("proc/meminfo", MEMINFO)
        self.write("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\n")
        self.linux = LinuxMachine([folder], folder, lambda: self.seconds)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def made(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_limit_the_whole_machine_counts(made: Machine) -> None:
    made.write("sys/fs/cgroup/memory.max", "max\n")
    made.write("sys/fs/cgroup/memory.current", f"{GIB}\n")
    assert made.linux.read().memory_share == pytest.approx(0.75)
    made.write("proc/stat", "cpu  300 0 200 1300 200 0 0 0 0 0\n")
    assert made.linux.read().cpu_share == pytest.approx(0.3)


def test_the_limit_of_a_container_counts_without_what_can_be_given_back(made: Machine) -> None:
    made.write("sys/fs/cgroup/memory.max", f"{GIB}\n")
    made.write("sys/fs/cgroup/memory.current", f"{GIB * 3 // 4}\n")
    made.write("sys/fs/cgroup/memory.stat", f"anon 5\ninactive_file {GIB // 4}\n")
    assert made.linux.read().memory_share == pytest.approx(0.5)


def test_a_container_of_the_older_kind(made: Machine) -> None:
    made.write("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{GIB}\n")
    made.write("sys/fs/cgroup/memory/memory.usage_in_bytes", f"{GIB // 2}\n")
    made.write("sys/fs/cgroup/memory/memory.stat", f"total_inactive_file {GIB // 4}\n")
    made.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n")
    made.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    made.write("sys/fs/cgroup/cpuacct/cpuacct.usage", "0\n")
    first = made.linux.read()
    assert (first.memory_share, first.cpu_share) == (pytest.approx(0.25), None)
    made.write("sys/fs/cgroup/cpuacct/cpuacct.usage", f"{10**10}\n")
    made.seconds += 10
    assert made.linux.read().cpu_share == pytest.approx(0.5)


def test_a_limit_above_the_machine_is_none(made: Machine) -> None:
    made.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    made.write("sys/fs/cgroup/memory/memory.usage_in_bytes", f"{GIB}\n")
    made.write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 0\n")
    assert made.linux.read().memory_share == pytest.approx(0.75)


def test_processors_that_a_container_may_use_are_its_whole(made: Machine) -> None:
    made.write("sys/fs/cgroup/cpu.max", "50000 100000\n")
    made.write("sys/fs/cgroup/cpu.stat", "usage_usec 0\nuser_usec 0\n")
    made.linux.read()
    made.write("sys/fs/cgroup/cpu.stat", "usage_usec 4000000\nuser_usec 0\n")
    made.seconds += 10
    assert made.linux.read().cpu_share == pytest.approx(0.8)


def test_what_the_system_does_not_tell_is_unknown(tmp_path: Path) -> None:
    state = LinuxMachine([tmp_path / "none"], tmp_path).read()
    assert (state.rss_bytes, state.memory_share, state.cpu_share, state.disk_free_share) == (
        (None,) * 4
    )


def test_on_this_machine_everything_is_known() -> None:
    machine = LinuxMachine([Path("/")])
    machine.read()
    state = machine.read()
    assert state.rss_bytes is not None and state.rss_bytes > 10e6
    assert state.memory_share is not None and 0 < state.memory_share < 1
    assert state.disk_free_share is not None and 0 < state.disk_free_share <= 1
    two = machine.rss([os.getpid(), os.getppid(), 2**22 + 1])
    assert two is not None and two > state.rss_bytes
