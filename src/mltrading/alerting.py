"""alerting.yml: which channels hear of which severity. Data alone, never a secret.

    channels:
      critical:
        - slack: "#alerts-critical"
        - email: "oncall@company.com"
        - pagerduty: "service-key"

Read without pydantic: the delivery jobs read it too, and they have PyYAML alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.errors import ConfigurationError
from mltrading.files import compose, explained, swallowed
from mltrading.utils.message import SEVERITIES, Severity
from mltrading.utils.text import is_address, nearest

if TYPE_CHECKING:
    import yaml

PAGERDUTY_PLACEHOLDER = "service-key"
ALLOWED: dict[str, tuple[Callable[[str], object], str]] = {
    "slack": (
        re.compile(r"[#@][^\s\"<>&]{1,80}").fullmatch,
        'the name of a channel, such as "#alerts"',
    ),
    "email": (is_address, "one e-mail address"),
    "pagerduty": (
        PAGERDUTY_PLACEHOLDER.__eq__,
        f'"{PAGERDUTY_PLACEHOLDER}", which stands for PAGERDUTY_KEY',
    ),
    "webhook": (
        re.compile(r"https?://[^\s@]{1,2000}").fullmatch,
        "an address that begins with https://",
    ),
}
"""The kinds of channels, what each may be given, and how to say so."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry: a kind of ALLOWED and whom it reaches."""

    kind: str
    target: str


Alerting = Mapping[Severity, tuple[Destination, ...]]


def parse_alerting_file(path: Path) -> Alerting:
    """The destinations of every severity, in the order of the file.

    ConfigurationError names the file and the line of whatever is unknown, missing, given twice
    or of the wrong form."""
    with explained(path):
        return _Reader(path).read(compose(path))


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, tree: yaml.Node | None) -> Alerting:
        whole = self._block(tree, "the file", ("channels",))
        if "channels" not in whole:
            raise self._wrong(tree, "'channels' is missing")
        lists = self._block(whole["channels"], "channels", SEVERITIES)
        # What is there first: one that is missing may stand in the wrong place.
        there = [severity for severity in SEVERITIES if severity in lists]
        found = {severity: self._list(lists[severity], severity) for severity in there}
        for severity in SEVERITIES:
            if severity not in found:
                raise self._wrong(whole["channels"], f"'channels.{severity}' is missing")
        return found

    def _list(self, node: yaml.Node, severity: Severity) -> tuple[Destination, ...]:
        import yaml

        if not isinstance(node, yaml.SequenceNode) or not node.value:
            form = f'channels.{severity} must be a list such as - slack: "#name"'
            raise self._wrong(node, f"{form}{swallowed(node)}")
        found: list[Destination] = []
        for entry in node.value:
            one = self._entry(entry, f"channels.{severity}")
            if one in found:
                raise self._wrong(entry, f"'{one.kind}: {one.target}' is given twice")
            found.append(one)
        return tuple(found)

    def _entry(self, node: yaml.Node, place: str) -> Destination:
        import yaml

        block = self._block(node, f"an entry of {place}", tuple(ALLOWED))
        if len(block) != 1:
            raise self._wrong(node, f"an entry of {place} must name one channel, not {len(block)}")
        [(kind, value)] = block.items()
        fits, description = ALLOWED[kind]
        text = isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:str"
        if not text or not fits(value.value):
            raise self._wrong(value, f"{place}: {kind} must be {description}{swallowed(value)}")
        return Destination(kind, value.value)

    def _block(
        self, node: yaml.Node | None, what: str, known: tuple[str, ...]
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key; every key is known, and given once."""
        import yaml

        if not isinstance(node, yaml.MappingNode):
            form = f"{what} must be a block with {', '.join(known)}"
            raise self._wrong(node, f"{form}{swallowed(node)}")
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if key not in known:
                guess = nearest(key, known)
                hint = f"; nearest known: '{guess}'" if guess else ""
                shown = repr(key) if len(key) <= 40 else "a long key"
                raise self._wrong(
                    key_node, f"unknown {shown} in {what}{hint} (known: {', '.join(known)})"
                )
            if key in found:
                raise self._wrong(key_node, f"'{key}' is given twice in {what}")
            found[key] = value
        return found

    def _wrong(self, node: yaml.Node | None, problem: str) -> ConfigurationError:
        line = node.start_mark.line + 1 if node is not None else 1
        return ConfigurationError(f"{self._path} line {line}: {problem}")
