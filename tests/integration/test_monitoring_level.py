"""What the processes log, as monitoring.level and monitoring.enabled say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.waiting import held_port, wait_until

NOWHERE = "postgresql://me:s3cret@127.0.0.1:1/nothing"
COMMAND = ["-m", "gunicorn", "-c", "python:mltrading.cli.gunicorn_conf", "mltrading.wsgi:server"]


def environment(folder: Path, file: str, **more: str) -> dict[str, str]:
    (folder / "development.yml").write_text(f"environment: development\n{file}\n")
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    ours = {"MLTRADING_CONFIG": str(folder), "MLTRADING_HOME": str(folder)}
    return {**kept, **ours, "DATABASE_URL": NOWHERE, **more}


@contextmanager
def gunicorn(folder: Path, file: str) -> Iterator[Path]:
    """The file with what it logs, once it answers; its database is away."""
    log = folder / "log"
    with held_port() as port, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *COMMAND],
            env=environment(folder, file, PORT=str(port)),
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: answers(process, port, log), "gunicorn to answer")
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=10):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("monitoring: {level: info}", True),
        ("monitoring: {level: warning}", False),
        ("monitoring: {level: info, enabled: false}", False),
    ],
)
def test_the_web_server_logs_at_the_level_of_the_file(
    tmp_path: Path, file: str, told: bool
) -> None:
    with gunicorn(tmp_path, file) as log:
        assert ("Booting worker" in log.read_text()) is told
    assert "s3cret" not in log.read_text()


@pytest.mark.parametrize(
    ("file", "variables", "said"),
    [
        ("monitoring: {level: loud}", {}, "line 2: monitoring.level must be one of debug, info"),
        ("", {"ENVIRONMENT": "production"}, "production.yml: No such file or directory"),
        ("", {"SECRET_KEY": "short", "MLTRADING_AUTH": "on"}, "SECRET_KEY is too weak"),
    ],
)
def test_a_wrong_setting_ends_the_web_server_in_one_line(
    tmp_path: Path, file: str, variables: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND],
        env=environment(tmp_path, file, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mltrading: ") and said in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
