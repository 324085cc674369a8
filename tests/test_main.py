"""The edge of the command line: which error becomes which line and exit code."""

from __future__ import annotations

import errno
from typing import NoReturn

import pytest

from mltrading.__main__ import guarded
from mltrading.errors import ConfigurationError

pytestmark = pytest.mark.smoke


class DiskFull(Exception):
    """Shaped as psycopg2's error of that SQLSTATE."""

    pgcode = "53100"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigurationError("PORT is\nwrong"), 1, "mltrading: PORT is wrong\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            1,
            "mltrading: disk full while writing /data/x; free some space\n",
        ),
        (
            DiskFull(),
            1,
            "mltrading: the disk of the database is full; free some space and run again\n",
        ),
    ],
)
def test_an_error_that_a_user_can_meet_is_one_line(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> NoReturn:
        raise error

    assert guarded(run) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "I/O error")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    def run() -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        guarded(run)
