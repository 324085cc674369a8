"""The files beside the package: where they are, and how one is read so that a mistake is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.errors import ConfigurationError

if TYPE_CHECKING:
    import yaml

ROOT = Path(__file__).resolve().parents[2]
"""The repository root, beside whose files the package runs."""


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a YAML file, which know their lines; None for an empty file.

    ConfigurationError where it can not be read or is no YAML."""
    import yaml

    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
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


def alerting_path(environment: Mapping[str, str]) -> Path:
    """Where alerting.yml is: in the folder of MLTRADING_CONFIG, else in the repository root."""
    given = environment.get("MLTRADING_CONFIG")
    if not given:
        return ROOT / "alerting.yml"
    path = Path(given)
    return (path if path.is_dir() else path.parent) / "alerting.yml"
