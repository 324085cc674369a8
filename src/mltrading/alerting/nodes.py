"""Reads YAML nodes strictly: every mistake is named with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.errors import ConfigurationError
from mltrading.files import swallowed
from mltrading.utils.text import nearest

if TYPE_CHECKING:
    import yaml

WORDS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:int")
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Nodes:
    """Of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def block(
        self, node: yaml.Node | None, what: str, known: tuple[str, ...]
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key; every key is known, and given once."""
        found = self.pairs(node, what, f"must be a block with {', '.join(known)}")
        for key, (key_node, _) in found.items():
            if key not in known:
                shown = repr(key) if len(key) <= 40 else "a long key"
                raise self.wrong(
                    key_node,
                    f"unknown {shown} in {what}{meant(key, known)} (known: {', '.join(known)})",
                )
        return {key: value for key, (_, value) in found.items()}

    def pairs(
        self, node: yaml.Node | None, what: str, must: str
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Key and value of a mapping by key; every key is given once."""
        import yaml

        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"{what} {must}{swallowed(node)}")
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if key in found:
                raise self.wrong(key_node, f"'{key}' is given twice in {what}")
            found[key] = key_node, value
        return found

    def items(self, node: yaml.Node, problem: str) -> list[yaml.Node]:
        """What a list that is not empty holds."""
        import yaml

        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.wrong(node, f"{problem}{swallowed(node)}")
        return list(node.value)

    def word(self, node: yaml.Node, what: str, must: str) -> str:
        """The text of a scalar as it was written, but for quotes; numbers are text too (a time of
        day is one to YAML)."""
        import yaml

        if not isinstance(node, yaml.ScalarNode) or node.tag not in WORDS:
            raise self.wrong(node, f"{what} must be {must}{swallowed(node)}")
        return str(node.value).strip()

    def seconds(self, node: yaml.Node, what: str, least: float, most: float) -> float:
        """A span of time such as 15m, within its bounds."""
        must = f"a span from {span(least)} to {span(most)} such as 30s, 15m, 4h or 1d"
        found = _DURATION.fullmatch(self.word(node, what, must))
        seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
        if not least <= seconds <= most:
            raise self.wrong(node, f"{what} must be {must}")
        return float(seconds)

    def wrong(self, node: yaml.Node | None, problem: str) -> ConfigurationError:
        line = node.start_mark.line + 1 if node is not None else 1
        return ConfigurationError(f"{self._path} line {line}: {problem}")


def meant(word: str, known: Iterable[str]) -> str:
    guess = nearest(word, known)
    return f"; nearest known: '{guess}'" if guess else ""


def span(seconds: float) -> str:
    """As the file writes it."""
    for letter, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and not seconds % length:
            return f"{seconds / length:.0f}{letter}"
    return f"{seconds:.0f}s"
