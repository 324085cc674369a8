"""What the supervisor decides from files and processes; its life is in test_embedded.py."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mltrading.adapters.postgres import supervisor
from tests.waiting import wait_until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def stand_in(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the server of `data` and ends with its standard input."""
    program = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()", "-D", str(data)]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as process:
        wait_until(lambda: supervisor.is_postmaster(process.pid, str(data)), "the stand-in")
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("text", "pid"), [("123\n/data\n", 123), ("-123\n", 123), ("", 0), ("x\n1\n", 0)]
)
def test_the_pid_of_a_lock_file(tmp_path: Path, text: str, pid: int) -> None:
    (tmp_path / "lock").write_text(text)  # a negative one is of a single-user server
    assert supervisor.recorded_pid(str(tmp_path / "lock")) == pid


def test_no_lock_file_names_no_pid(tmp_path: Path) -> None:
    assert supervisor.recorded_pid(str(tmp_path / "lock")) == 0


def test_only_a_live_process_of_that_data_folder_is_its_server(
    data: Path, stand_in: subprocess.Popen[bytes]
) -> None:
    assert supervisor.is_postmaster(stand_in.pid, str(data))
    assert not supervisor.is_postmaster(stand_in.pid, str(data)[:-1])
    assert not supervisor.is_postmaster(os.getpid(), str(data))
    stand_in.kill()
    os.waitid(os.P_PID, stand_in.pid, os.WEXITED | os.WNOWAIT)
    assert not supervisor.is_postmaster(stand_in.pid, str(data))  # a zombie


def test_remains_of_a_dead_server_are_cleared_and_other_files_kept(
    data: Path, tmp_path: Path
) -> None:
    sockets = tmp_path / "sockets"  # tidied away: made again
    supervisor.clear_remains(str(data), str(sockets))
    locks = [data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"]
    for path in (*locks, sockets / "other.lock"):
        path.write_text(f"{os.getpid()}\n")
    supervisor.clear_remains(str(data), str(sockets))
    assert not any(path.exists() for path in locks)
    assert (sockets / "other.lock").exists()


def test_a_server_that_is_still_ending_is_waited_for(
    data: Path, tmp_path: Path, stand_in: subprocess.Popen[bytes]
) -> None:
    lock = data / "postmaster.pid"
    lock.write_text(f"{stand_in.pid}\n")
    clearing = threading.Thread(target=supervisor.clear_remains, args=(str(data), str(tmp_path)))
    clearing.start()
    clearing.join(0.1)
    assert clearing.is_alive() and lock.exists()
    stand_in.kill()
    clearing.join(10)
    assert not clearing.is_alive() and not lock.exists()


def test_a_server_that_does_not_end_keeps_its_files(
    data: Path,
    tmp_path: Path,
    stand_in: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "ORPHAN_WAIT_SECONDS", 0.05)
    (data / "postmaster.pid").write_text(f"{stand_in.pid}\n")
    supervisor.clear_remains(str(data), str(tmp_path))
    assert (data / "postmaster.pid").exists() and stand_in.poll() is None


def test_a_second_supervisor_gives_way(tmp_path: Path) -> None:
    with (tmp_path / "supervisor.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, "-I", "-S", supervisor.__file__, "serve", str(tmp_path)]
        answer = subprocess.run([*command, "same", "0", "/bin/true"], check=False, timeout=60)
        assert answer.returncode == 1


def test_a_command_runs_as_it_is_told(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-I", "-S", supervisor.__file__, "run", "same", "/bin/echo", "a b"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "a b\n"


def test_a_server_that_hangs_in_its_stop_is_ended_for_good(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_LIMIT_SECONDS", 0.1)
    program = "import signal, sys; signal.signal(2, signal.SIG_IGN); print(1, flush=True); input()"
    command = [sys.executable, "-I", "-S", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        keeper = supervisor._Supervisor(str(tmp_path), "same", 0, command)
        keeper._server = process.pid
        keeper._stop_after_last_user()
        assert process.wait(timeout=60) == -signal.SIGQUIT
