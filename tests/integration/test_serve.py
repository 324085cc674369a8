"""`mltrading serve` as a user starts and ends it: in processes of its own, on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.factories import SECRET_KEY
from tests.waiting import held_port, wait_until, within

pytestmark = pytest.mark.database

STOP_SECONDS = 30


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "ENVIRONMENT", "HOST", "PORT", "DASH_DEBUG")
        and not name.startswith("MLTRADING_")
    }
    return {**kept, "MLTRADING_HOME": str(home), **more}


def mltrading(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mltrading", *words],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class Serve:
    """A running `mltrading serve`, from the moment it printed its address."""

    def __init__(self, home: Path, **more: str) -> None:
        self.home = home
        self._held = ExitStack()
        self.port = self._held.enter_context(held_port())
        with (home.parent / "stderr").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mltrading", "serve"],
                env=environment(home, PORT=str(self.port), **more),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.printed = self.process.stdout.readline().strip()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def workers(self) -> list[int]:
        pid = self.process.pid
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def processes(self) -> list[str]:
        """Command lines of everything that this server started, or that uses its data folder: it
        names it, or has it from the server's environment."""
        named = f"MLTRADING_HOME={self.home}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = os.getpgid(int(entry.name)) == self.process.pid
                ours = ours or named in (entry / "environ").read_bytes()
            except (OSError, UnicodeDecodeError):
                continue  # it ended meanwhile
            if line and (ours or str(self.home) in line):
                found.append(line)
        return found

    def worker(self) -> str:
        """What it printed of the worker beside it, which follows its address."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        wait_until(lambda: not self.processes(), "everything it started is gone")
        self._held.close()


def start(home: Path, binaries: Path | None) -> Serve:
    """An empty one: loading the sample has tests of its own."""
    config = home.parent / "empty.yml"
    config.write_text("environment: development\nfeatures: {test_mode: false}\n")
    more = {"MLTRADING_POSTGRES_BIN": str(binaries)} if binaries else {}
    return Serve(home, MLTRADING_CONFIG=str(config), **more)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, binaries: Path | None) -> Iterator[Serve]:
    """One server for the tests that leave it as it was."""
    serve = start(tmp_path_factory.mktemp("shared") / "home", binaries)
    yield serve
    serve.end()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all that end their server, so that one start creates the database."""
    return tmp_path_factory.mktemp("serve") / "home"


@pytest.fixture
def running(home: Path, binaries: Path | None) -> Iterator[Serve]:
    """A server to be ended."""
    serve = start(home, binaries)
    yield serve
    serve.end()


def test_it_prints_an_address_that_answers(shared: Serve) -> None:
    assert shared.printed == f"http://127.0.0.1:{shared.port}"
    status, body = get(shared.url("/"))
    assert status == 200
    assert b"<title>" in body
    assert json.loads(get(shared.url("/health"))[1])["status"] == "healthy"
    assert get(shared.url("/health/ready"))[0] == 200


def test_unknown_addresses_are_not_found(shared: Serve) -> None:
    for path in ("/healthz", "/.env", "/nowhere/at/all", "/health/fuller"):
        assert get(shared.url(path))[0] == 404, path


def test_the_first_asset_requests_all_succeed_at_once(shared: Serve) -> None:
    page = get(shared.url("/"))[1].decode()
    paths = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css|svg)[^"]*)"', page) * 3
    assert len(paths) > 20
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda path: get(shared.url(path))[0], paths))
    assert set(statuses) == {200}


STALLED = (
    b"",
    b"GET / HT",
    b"POST /_dash-update-component HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
)


def test_clients_that_stall_do_not_keep_the_threads(shared: Serve) -> None:
    with ExitStack() as stalled:
        for sent in STALLED * 5:  # two of three hold a thread: more than there are
            client = stalled.enter_context(socket.create_connection(("127.0.0.1", shared.port)))
            client.sendall(sent)
        for _ in range(8):
            assert get(shared.url("/health/live"))[0] == 200


def test_a_killed_worker_is_replaced(shared: Serve) -> None:
    before = wait_until(lambda: len(w := shared.workers()) == 2 and w, "two workers")
    assert before
    os.kill(before[0], signal.SIGKILL)
    wait_until(
        lambda: len(set(shared.workers()) - {before[0]}) == 2, "a new worker", timeout=STOP_SECONDS
    )
    assert get(shared.url("/"))[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_the_database_too(running: Serve, number: signal.Signals) -> None:
    assert any("postgres" in line for line in running.processes())
    if number == signal.SIGTERM:  # else the worker is asked to end while it starts
        assert running.worker() == "worker: started"
    running.process.send_signal(number)
    assert running.process.wait(STOP_SECONDS) == 0
    wait_until(lambda: not running.processes(), "nothing is left", STOP_SECONDS)


def test_ctrl_c_reaches_every_process_and_still_ends_cleanly(running: Serve) -> None:
    os.killpg(running.process.pid, signal.SIGINT)  # what a terminal does
    assert running.process.wait(STOP_SECONDS) == 0
    wait_until(lambda: not running.processes(), "nothing is left", STOP_SECONDS)
    assert "Traceback" not in (running.home.parent / "stderr").read_text()


def test_workers_leave_ctrl_c_to_their_master(shared: Serve) -> None:
    """Told twice at once, by the terminal and by the master, one would hang in gunicorn's lock."""

    def ignores_interrupt(pid: int) -> bool:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False  # it ended meanwhile
        ignored = int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16)  # type: ignore[index]
        return bool(ignored >> (signal.SIGINT - 1) & 1)

    def all_ignore() -> bool:
        workers = shared.workers()
        return len(workers) == 2 and all(map(ignores_interrupt, workers))

    wait_until(all_ignore, "both workers ignore SIGINT")


def test_kill_of_the_master_leaves_nothing_running(running: Serve) -> None:
    assert running.worker() == "worker: started"
    assert any("mltrading worker" in line for line in running.processes())
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not running.processes(), "nothing is left", STOP_SECONDS)


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mltrading(tmp_path / "home", "serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"mltrading: port {port} on 127.0.0.1 is taken; choose another")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_an_unreachable_database_is_one_line_without_the_password(tmp_path: Path) -> None:
    with held_port() as port, held_port() as mute:
        url = f"postgres://trader:s3cret@127.0.0.1:{mute}/market"
        done = mltrading(tmp_path, "serve", PORT=str(port), DATABASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("mltrading: no answer from the database at")
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("words", "variables", "code", "said"),
    [
        (("serve",), {"PORT": "x"}, 1, "PORT must be a whole number"),
        (("serve",), {"MLTRADING_HOMEE": "x"}, 1, "unknown setting MLTRADING_HOMEE"),
        (("serve",), {"ENVIRONMENT": "production"}, 1, "DATABASE_URL is not set"),
        (("serve", "--host", "no.such.host.invalid"), {}, 1, "unknown host"),
        (("serve", "--host", "0.0.0.0"), {}, 1, "nobody signs in, and 0.0.0.0 is open to other"),
        (("serve",), {"HOST": "::"}, 1, "set MLTRADING_AUTH=on and SECRET_KEY, or listen on 127"),
        (("serve", "--port", "0"), {}, 2, "must be a whole number from 1 to 65535, not '0'"),
        (("serve", "--prot", "1"), {}, 2, "unrecognized arguments: --prot 1"),
        (("sevre",), {}, 2, "invalid choice: 'sevre'"),
        ((), {}, 2, "required: COMMAND"),
    ],
)
def test_a_mistake_is_one_line_and_a_code(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], code: int, said: str
) -> None:
    done = mltrading(tmp_path, *words, **variables)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.startswith("mltrading: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_given_database_is_migrated_and_used(tmp_path: Path, empty_database_url: str) -> None:
    (tmp_path / "staging.yml").write_text("environment: staging\n")
    serve = Serve(
        tmp_path / "home",
        ENVIRONMENT="staging",
        MLTRADING_CONFIG=str(tmp_path),
        DATABASE_URL=empty_database_url,
        SECRET_KEY=SECRET_KEY,
    )
    try:
        assert serve.printed == serve.url("")
        assert get(serve.url("/health/ready"))[0] == 200
        assert not list((tmp_path / "home").glob("postgres-*"))
        assert not any("keeper" in line for line in serve.processes()), "it has workers of its own"
    finally:
        serve.end()


def test_db_upgrade_reports_as_json_and_repeats(tmp_path: Path, empty_database_url: str) -> None:
    reports = []
    for _ in range(2):
        done = mltrading(tmp_path, "db", "upgrade", "--json", DATABASE_URL=empty_database_url)
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    assert reports[0]["applied"] == list(range(1, reports[0]["version"] + 1))
    assert reports[1] == {"version": reports[0]["version"], "applied": []}


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    commands = [(), ("serve",), ("db",), ("db", "upgrade"), ("import",), ("sample",)]
    for words in commands:
        done = mltrading(tmp_path, *words, "--help")
        assert done.returncode == 0, done.stderr
        assert "example: mltrading " + " ".join(words) in done.stdout


IMPORT_WSGI = """
import sys
def refuse(event, details):
    if event in ("socket.connect", "subprocess.Popen", "os.fork"):
        raise SystemExit(f"importing caused {event}")
sys.addaudithook(refuse)
from mltrading.wsgi import server
print(callable(server))
"""


@pytest.mark.parametrize("url", ["", "postgresql://me@127.0.0.1:1/nothing"])
def test_importing_the_wsgi_object_connects_nowhere(tmp_path: Path, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WSGI],
        env=environment(tmp_path / "home", DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
    assert not list((tmp_path / "home").glob("postgres-*"))


def test_gunicorn_serves_the_wsgi_object_while_the_database_is_away(tmp_path: Path) -> None:
    with held_port() as port, held_port() as mute:
        url = f"postgresql://me@127.0.0.1:{mute}/none"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "-c", "python:mltrading.cli.gunicorn_conf"),
                "mltrading.wsgi:server",
            ],
            env=environment(tmp_path, PORT=str(port), DATABASE_URL=url),
        )
        try:
            wait_until(lambda: _answers(port), "gunicorn listens")
            assert get(f"http://127.0.0.1:{port}/health/live")[0] == 200
            status, body = within(2, lambda: get(f"http://127.0.0.1:{port}/health"))
            assert (status, json.loads(body)["error"]) == (500, "database_unreachable")
        finally:
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize(
    ("words", "variables"), [((), {"HOST": "0.0.0.0"}), (("--bind", "0.0.0.0:0"), {})]
)
def test_gunicorn_listens_to_nobody_else_where_nobody_signs_in(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, str]
) -> None:
    command = [
        "gunicorn",
        "-c",
        "python:mltrading.cli.gunicorn_conf",
        *words,
        "mltrading.wsgi:server",
    ]
    with held_port() as port:
        variables |= {"PORT": str(port), "DATABASE_URL": "postgresql://me@127.0.0.1:1/none"}
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=environment(tmp_path, **variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert "nobody signs in, and 0.0.0.0 is open to other machines" in done.stderr


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
