"""The block `channels`: who hears of which severity."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mltrading.alerting.nodes import Nodes
from mltrading.files import swallowed
from mltrading.utils.message import SEVERITIES, Destination, Severity
from mltrading.utils.text import is_address

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


def read_channels(nodes: Nodes, node: yaml.Node) -> Mapping[Severity, tuple[Destination, ...]]:
    """The destinations of every severity, in the order of the file."""
    lists = nodes.block(node, "channels", SEVERITIES)
    # What is there first: one that is missing may stand in the wrong place.
    there = [severity for severity in SEVERITIES if severity in lists]
    found = {severity: _list(nodes, lists[severity], severity) for severity in there}
    for severity in SEVERITIES:
        if severity not in found:
            raise nodes.wrong(node, f"'channels.{severity}' is missing")
    return found


def _list(nodes: Nodes, node: yaml.Node, severity: Severity) -> tuple[Destination, ...]:
    problem = f'channels.{severity} must be a list such as - slack: "#name"'
    found: list[Destination] = []
    for entry in nodes.items(node, problem):
        one = _entry(nodes, entry, f"channels.{severity}")
        if one in found:
            raise nodes.wrong(entry, f"'{one.kind}: {one.target}' is given twice")
        found.append(one)
    return tuple(found)


def _entry(nodes: Nodes, node: yaml.Node, place: str) -> Destination:
    import yaml

    block = nodes.block(node, f"an entry of {place}", tuple(ALLOWED))
    if len(block) != 1:
        raise nodes.wrong(node, f"an entry of {place} must name one channel, not {len(block)}")
    [(kind, value)] = block.items()
    fits, description = ALLOWED[kind]
    text = isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:str"
    if not text or not fits(value.value):
        raise nodes.wrong(value, f"{place}: {kind} must be {description}{swallowed(value)}")
    return Destination(kind, value.value)
