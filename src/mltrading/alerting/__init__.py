"""alerting.yml: what is alerted, and which channels hear of which severity. Never a secret.

    channels:
      critical:
        - slack: "#alerts-critical"
        - email: "oncall@company.com"
        - pagerduty: "service-key"
    rules:
      ErrorRateHigh:
        severity: critical
        when: error_rate > 5%
    digest:
      at: "08:00"
      timezone: Europe/Berlin

Read without pydantic: the delivery jobs read it too, and they have PyYAML alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mltrading.alerting.channels import ALLOWED, PAGERDUTY_PLACEHOLDER, read_channels
from mltrading.alerting.nodes import Nodes
from mltrading.alerting.rules import read_rules
from mltrading.domain.alerting.rules import DEFAULT_RULES, Rule
from mltrading.files import compose, explained
from mltrading.utils.message import Destination, Severity

if TYPE_CHECKING:
    import yaml

__all__ = ["ALLOWED", "PAGERDUTY_PLACEHOLDER", "Alerting", "DigestTime", "parse_alerting_file"]

BLOCKS = ("channels", "rules", "digest", "watchdog")


@dataclass(frozen=True, slots=True)
class DigestTime:
    """When the daily digest is sent: a time of day in a time zone of the IANA database."""

    at: time = time(8)
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Alerting:
    """All that the file says."""

    channels: Mapping[Severity, tuple[Destination, ...]]
    rules: tuple[Rule, ...] = DEFAULT_RULES
    digest: DigestTime = field(default_factory=DigestTime)
    watchdog_seconds: float = 60.0


def parse_alerting_file(path: Path) -> Alerting:
    """What the file says; ConfigurationError names the file and the line of whatever is unknown,
    missing, given twice or of the wrong form."""
    with explained(path):
        return _read(Nodes(path), compose(path))


def _read(nodes: Nodes, tree: yaml.Node | None) -> Alerting:
    whole = nodes.block(tree, "the file", BLOCKS)
    if "channels" not in whole:
        raise nodes.wrong(tree, "'channels' is missing")
    channels = read_channels(nodes, whole["channels"])
    rules, digest, watchdog = DEFAULT_RULES, DigestTime(), 60.0
    if "rules" in whole:
        rules = read_rules(nodes, whole["rules"])
    if "digest" in whole:
        digest = _digest(nodes, whole["digest"])
    if "watchdog" in whole:
        block = nodes.block(whole["watchdog"], "watchdog", ("every",))
        if "every" in block:
            watchdog = nodes.seconds(block["every"], "watchdog.every", 30, 3_600)
    return Alerting(channels, rules, digest, watchdog)


def _digest(nodes: Nodes, node: yaml.Node) -> DigestTime:
    block = nodes.block(node, "digest", ("at", "timezone"))
    digest = DigestTime()
    if "at" in block:
        must = 'a time of day such as "08:00"'
        word = nodes.word(block["at"], "digest.at", must)
        found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", word)
        if found is None:
            raise nodes.wrong(block["at"], f"digest.at must be {must}")
        digest = DigestTime(time(int(found[1]), int(found[2])))
    if "timezone" in block:
        must = "a time zone such as Europe/Berlin"
        word = nodes.word(block["timezone"], "digest.timezone", must)
        if not _is_zone(word):
            raise nodes.wrong(block["timezone"], f"digest.timezone must be {must}")
        digest = DigestTime(digest.at, word)
    return digest


def _is_zone(name: str) -> bool:
    if not re.fullmatch(r"[A-Za-z][\w+-]*(/[\w+-]+){0,2}", name):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return not _has_zones()  # a delivery job's machine may have none, and needs none
    return True


def _has_zones() -> bool:
    try:
        ZoneInfo("Etc/UTC")
    except (ZoneInfoNotFoundError, OSError):
        return False
    return True
