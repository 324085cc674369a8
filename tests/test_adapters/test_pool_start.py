"""The first questions of a fresh process, asked while the pool's library is being imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ASK = """
import sys
import threading
from mltrading.adapters.postgres.pool import Database

database = Database("postgresql://nobody@127.0.0.1:1/nothing")
said = set()

def ask():
    try:
        database._take()
    except Exception as error:  # each kind is what the test looks at
        said.add(type(error).__name__)

first = threading.Thread(target=ask)
first.start()
while first.is_alive() and "sqlalchemy.exc" not in sys.modules:
    pass
ask()
first.join()
print(*sorted(said))
"""


def test_questions_at_once_in_a_fresh_process_never_meet_half_a_library(tmp_path: Path) -> None:
    """A worker that warms up while the first visitor is there answered him with an ImportError."""
    slow = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=slow, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "OperationalError\n"), done.stderr
