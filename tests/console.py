"""`mltrading ...` as it is typed, in this process: another one would load everything anew."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from mltrading.__main__ import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


def typed(environment: Mapping[str, str], *words: str) -> Done:
    """Run it with these environment variables and no others."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in os.environ.keys() - environment.keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(list(words))
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())
