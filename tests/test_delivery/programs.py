"""The programs that judge the pipeline: where they are, and what is said where they are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.browser_fixtures import refuse_or_skip

ROOT = Path(__file__).parents[2]


def tool(name: str) -> str:
    """The path of a program of requirements-tools.txt: from .venv-tools, else from the folder in
    MLTRADING_TEST_TOOLS, else from PATH. A missing one fails in CI and skips on a laptop."""
    folders = [str(ROOT / ".venv-tools" / "bin"), os.environ.get("MLTRADING_TEST_TOOLS", "")]
    path = os.pathsep.join([*filter(None, folders), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        refuse_or_skip(f"{name} is not installed; make test-delivery installs it into .venv-tools")
    return str(found)
