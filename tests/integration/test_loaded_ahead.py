"""What no two threads may load at once is there before any worker is forked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gunicorn_server import gunicorn

pytestmark = pytest.mark.database


def test_pandas_is_whole_before_anybody_asks(database_url: str, tmp_path: Path) -> None:
    """Half of it made plotly fail: AttributeError: partially initialized module 'pandas'."""
    with gunicorn(tmp_path, database_url) as server:
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "/pandas/_libs/" in mapped
