"""The files that the package runs by: where they are, and how a mistake in one is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.errors import ConfigurationError

if TYPE_CHECKING:
    import yaml


def configuration_folder(package: Path) -> Path:
    """Where staging.yml, production.yml, alerting.yml and REVISION are: inside the installed
    package, which carries them, or at the top of a source checkout."""
    carried = package / "config"
    return carried if carried.is_dir() else package.parents[1]


ROOT = configuration_folder(Path(__file__).resolve().parent)
"""The folder of the files that the package runs by: the repository root in a checkout."""

COMMIT = r"[0-9a-f]{7,64}"


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a YAML file, which know their lines; None for an empty file. Raises what
    `explained` explains."""
    import yaml

    return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Reading of a YAML file: whatever fails becomes a ConfigurationError with the line."""
    import yaml

    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"can not read {path}: {reason}; MLTRADING_CONFIG names the file or its folder"
        ) from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigurationError(f"{path} line {line}: {problem}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} line 1: a block holds itself, or too many") from None


def read_revision(folder: Path = ROOT) -> str | None:
    """The commit that the file REVISION names, which a build leaves beside the source; None where
    there is no such file."""
    path = folder / "REVISION"
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not re.fullmatch(COMMIT, text):
        raise ConfigurationError(f"{path} must hold the hash of a commit and nothing else")
    return text


def alerting_path(config: Path | None) -> Path:
    """Where alerting.yml is: beside `<environment>.yml`, which MLTRADING_CONFIG names, or its
    folder; else in the repository root."""
    if config is None:
        return ROOT / "alerting.yml"
    return (config if config.is_dir() else config.parent) / "alerting.yml"
