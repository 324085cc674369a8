"""The block `rules`: what is alerted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from mltrading.alerting.nodes import Nodes, meant
from mltrading.domain.alerting.rules import ALL, OWN_RULES, SIGNALS, Condition, Rule, rule
from mltrading.files import swallowed

if TYPE_CHECKING:
    import yaml

KEYS = ("severity", "when", "for", "over", "resolve_after", "least_requests", "mutes")
SEVERITIES = ("critical", "warning")
DAY = 86_400.0
_MUST_MUTE = f"must be '{ALL}', or a list of rules"
_NAME = re.compile(r"[A-Z][A-Za-z0-9]{1,63}")
_WHEN = re.compile(r"([a-z]\w*)(?:\s*([<>])\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(%|s)?)?")


def read_rules(nodes: Nodes, node: yaml.Node) -> tuple[Rule, ...]:
    """The rules in the order of the file; they stand instead of those that hold without it."""
    must = "must be a block of rules by name, or be left out"
    found = nodes.pairs(node, "rules", must)
    if not found:
        raise nodes.wrong(node, f"rules {must}")
    rules = []
    for name, (key_node, value) in found.items():
        if not _NAME.fullmatch(name) or name in {one.name for one in OWN_RULES}:
            raise nodes.wrong(
                key_node,
                f"{name[:40]!r} can not be the name of a rule: letters and digits, the first a"
                " capital, and none that the engine itself uses",
            )
        rules.append(_rule(nodes, name, value))
    _refuse_unknown_mutes(nodes, rules, found)
    _refuse_circles(nodes, rules, found)
    return tuple(rules)


def _rule(nodes: Nodes, name: str, node: yaml.Node) -> Rule:
    place = f"rules.{name}"
    block = nodes.block(node, place, KEYS)
    for key in ("severity", "when"):
        if key not in block:
            raise nodes.wrong(node, f"'{place}.{key}' is missing")
    severity = _severity(nodes, block["severity"], place)
    made = rule(name, severity, _condition(nodes, block["when"], place))
    if "for" in block:
        made = replace(made, for_seconds=nodes.seconds(block["for"], f"{place}.for", 0, DAY))
    if "over" in block:
        made = replace(made, window_seconds=nodes.seconds(block["over"], f"{place}.over", 30, DAY))
    if "resolve_after" in block:
        keep = nodes.seconds(block["resolve_after"], f"{place}.resolve_after", 0, DAY)
        made = replace(made, keep_seconds=keep)
    if "least_requests" in block:
        made = replace(made, least_requests=_count(nodes, block["least_requests"], made))
    if "mutes" in block:
        made = replace(made, mutes=_mutes(nodes, block["mutes"], place))
    return made


def _severity(nodes: Nodes, node: yaml.Node, place: str) -> Literal["critical", "warning"]:
    must = "critical or warning; what informs goes into the daily digest"
    word = nodes.word(node, f"{place}.severity", must)
    if word == "critical":
        return "critical"
    if word == "warning":
        return "warning"
    raise nodes.wrong(node, f"{place}.severity must be {must}")


def _condition(nodes: Nodes, node: yaml.Node, place: str) -> Condition:
    must = 'a signal with its limit, such as "error_rate > 5%"'
    found = _WHEN.fullmatch(nodes.word(node, f"{place}.when", must))
    if found is None:
        raise nodes.wrong(node, f"{place}.when must be {must}")
    name, compared, limit, unit = found.groups()
    if name not in SIGNALS:
        raise nodes.wrong(
            node,
            f"{place}.when: unknown signal '{name[:40]}'{meant(name, SIGNALS)}"
            f" (known: {', '.join(SIGNALS)})",
        )
    wanted = SIGNALS[name].unit
    if wanted == "bare":
        if compared:
            raise nodes.wrong(node, f"{place}.when: {name} is true or not and has no limit")
        return Condition(name)
    if not compared or (unit or "") != wanted or (wanted == "%" and float(limit) > 100):
        example = {"%": "80% (up to 100%)", "s": "10s", "": "5"}[wanted]
        raise nodes.wrong(node, f"{place}.when: {name} needs > or < and a limit such as {example}")
    return Condition(name, compared == ">", float(limit) / (100 if wanted == "%" else 1))


def _count(nodes: Nodes, node: yaml.Node, made: Rule) -> int:
    what = f"rules.{made.name}.least_requests"
    if not SIGNALS[made.condition.signal].traffic:
        raise nodes.wrong(node, f"{what}: {made.condition.signal} does not depend on requests")
    word = nodes.word(node, what, "a whole number from 0 to 100000")
    if not (word.isascii() and word.isdigit() and int(word[:9]) <= 100_000):
        raise nodes.wrong(node, f"{what} must be a whole number from 0 to 100000")
    return int(word)


def _mutes(nodes: Nodes, node: yaml.Node, place: str) -> tuple[str, ...]:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        if node.value != ALL:
            raise nodes.wrong(node, f"{place}.mutes {_MUST_MUTE}{swallowed(node)}")
        return (ALL,)
    entries = nodes.items(node, f"{place}.mutes {_MUST_MUTE}")
    return tuple(nodes.word(one, f"an entry of {place}.mutes", "a rule") for one in entries)


def _refuse_unknown_mutes(
    nodes: Nodes, rules: list[Rule], found: Mapping[str, tuple[yaml.Node, yaml.Node]]
) -> None:
    names = [one.name for one in rules]
    for one in rules:
        for name in one.mutes:
            if name not in (ALL, *names) or name == one.name:
                block = nodes.block(found[one.name][1], f"rules.{one.name}", KEYS)
                raise nodes.wrong(
                    block["mutes"],
                    f"rules.{one.name}.mutes {_MUST_MUTE}: '{name[:40]}' is no other rule"
                    f"{meant(name, names)}",
                )


def _refuse_circles(
    nodes: Nodes, rules: list[Rule], found: Mapping[str, tuple[yaml.Node, yaml.Node]]
) -> None:
    """Two rules that mute each other would leave nobody told of anything."""
    left = {one.name: one for one in rules}
    while left:
        others = left.values()
        free = [
            name
            for name, one in left.items()
            if not any(other.silences(one) for other in others)
            or not any(one.silences(other) for other in others)
        ]
        if not free:
            names = " and ".join(sorted(left)[:4])
            first = next(iter(left))
            raise nodes.wrong(found[first][0], f"rules {names} would mute each other in a circle")
        for name in free:
            del left[name]
