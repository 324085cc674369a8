"""The values of a YAML file as they are written. YAML guesses: `off` is false, 020 is sixteen and
1:30 ninety; here a switch is true or false, a number is decimal, and all else is text in quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from mltrading.errors import ConfigurationError
from mltrading.files import swallowed

Place = tuple[str, ...]
_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_KINDS = {"str", "bool", "int", "float", "null", "timestamp", "value", "merge", "map", "seq"}
_SWITCHES = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Odd:
    """What is no text, switch or number as one would write it, with the likely way out."""

    text: str
    hint: str = ""


def plain(node: yaml.Node | None, at: Place, lines: dict[Place, int], path: Path) -> object:
    """What a node holds; fills `lines`. ConfigurationError for a key given twice, and for what a
    YAML file should better not ask for (!!python/...)."""
    if node is not None and node.tag.removeprefix(_TAG) not in _KINDS:
        line = node.start_mark.line + 1
        raise ConfigurationError(f"{path} line {line}: a kind (!...) of a value is not allowed")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if not isinstance(node, yaml.MappingNode):
        return Odd("a list") if node else None
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigurationError(f"{path} line {line}: a key must be a word")
        key = key_node.value
        if key in values:
            raise ConfigurationError(
                f"{path} line {line}: '{key}' is given twice (first on line {lines[*at, key]})"
            )
        lines[*at, key] = line
        values[key] = plain(value_node, (*at, key), lines, path)
    return values


def _scalar(node: yaml.ScalarNode) -> object:
    written, kind = str(node.value), node.tag.removeprefix(_TAG)
    if kind == "str":
        return written
    if kind == "bool" and written.lower() in _SWITCHES:
        return _SWITCHES[written.lower()]
    if kind == "int" and _NUMBER.fullmatch(written):
        return int(written)
    if kind == "null":
        return Odd("", swallowed(node))
    return Odd(written)
