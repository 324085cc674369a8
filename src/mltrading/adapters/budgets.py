"""budgets.toml: what the dashboard may take, in one file of the package."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mltrading.errors import ConfigurationError
from mltrading.services.ports.operations import LIVE, Budget

FILE = Path(__file__).parents[1] / "budgets.toml"
_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "what": str,
    "limit": (int, float),
    "unit": str,
}


def read_budgets(path: Path = FILE) -> tuple[Budget, ...]:
    """All budgets, in the order of the file. ConfigurationError names the one that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"can not read {path}: {error}") from None
    entries = content.get("budget")
    if set(content) != {"budget"} or not isinstance(entries, list):
        raise ConfigurationError(f"{path} must hold [[budget]] and nothing else")
    found: list[Budget] = []
    for number, entry in enumerate(entries, 1):
        budget = _budget(entry, f"{path}: budget {number}")
        if budget.name in [one.name for one in found]:
            raise ConfigurationError(f"{path}: '{budget.name}' is given twice")
        found.append(budget)
    return tuple(found)


def _budget(entry: dict[str, Any], where: str) -> Budget:
    live = entry.get("live", "")
    for key, kind in _KEYS.items():
        if not isinstance(entry.get(key), kind) or isinstance(entry.get(key), bool):
            raise ConfigurationError(f"{where} needs '{key}'")
    unknown = set(entry) - set(_KEYS) - {"live"}
    if unknown:
        raise ConfigurationError(f"{where} has an unknown '{min(unknown)}'")
    if live not in ("", *LIVE):
        raise ConfigurationError(f"{where}: 'live' must be one of {', '.join(LIVE)}")
    return Budget(entry["name"], entry["what"], float(entry["limit"]), entry["unit"], live)
