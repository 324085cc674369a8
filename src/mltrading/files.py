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


NULL = "tag:yaml.org,2002:null"
SWALLOWED = "; a text that begins with # needs quotes"


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a YAML file, which know their lines; None for an empty file. Raises what
    `explained` explains."""
    import yaml

    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path} line {line}: it is not UTF-8 text") from None
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(
            f"{path} line {line}: a character that YAML does not allow (U+{error.character:04X})"
        ) from None


def swallowed(node: yaml.Node | None) -> str:
    """The likely reason where a value is missing: YAML takes # and the rest for a comment."""
    return SWALLOWED if node is not None and node.tag == NULL else ""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Reading of a YAML file: whatever fails becomes a ConfigurationError with the line."""
    import yaml

    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"can not read {path}: {error.strerror}; MLTRADING_CONFIG names the file or its folder"
        ) from None
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "not YAML"
        raise ConfigurationError(f"{path} line {_line(error)}: {problem}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} line 1: a block holds itself, or too many") from None


def _line(error: yaml.MarkedYAMLError) -> int:
    """Where a mistake begins: what was never closed is noticed lines later, a key that does not
    belong into its block where it stands."""
    begun = error.context_mark
    block = (error.context or "").startswith("while parsing a block")
    mark = error.problem_mark if block or begun is None else begun
    return mark.line + 1 if mark is not None else 1


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
