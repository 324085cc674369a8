"""What has to be true for an alert: data of alerting.yml, or what holds without it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mltrading.utils.message import Severity

Labels = tuple[tuple[str, str], ...]
"""Names with values, sorted: what tells the alerts of one rule apart."""

ALL = "all"
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is measured. `unit`: what its limits are given in; "bare" is true or not and
    has no limit. `traffic`: it says nothing where hardly anybody asks. `window_seconds`: what one
    evaluation looks back on, unless the rule says otherwise."""

    unit: Literal["%", "s", "", "bare"]
    window_seconds: float
    traffic: bool = False


SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        "app_down": Signal("bare", 90.0),
        "database_down": Signal("bare", 60.0),
        "error_rate": Signal("%", 300.0, traffic=True),
        "response_time": Signal("s", 300.0, traffic=True),
        "memory": Signal("%", 60.0),
        "cpu": Signal("%", 60.0),
        "disk_free": Signal("%", 60.0),
        "database_failures": Signal("", 60.0),
    }
)
OWN_SIGNAL = "engine"
"""What the engine knows of itself; no rule of a file may ask for it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A signal beyond its limit: `above` it, or below. A bare signal has neither. Shares are kept
    as shares: 5% is 0.05."""

    signal: str
    above: bool = True
    limit: float = 0.0

    def holds(self, value: float) -> bool:
        return value > self.limit if self.above else value < self.limit

    def __str__(self) -> str:
        unit = SIGNALS[self.signal].unit if self.signal in SIGNALS else "bare"
        if unit == "bare":
            return self.signal
        return f"{self.signal} {'>' if self.above else '<'} {amount(self.limit, unit)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`for_seconds`: so long it must have been true at every evaluation. `keep_seconds`: so long it
    must have been false before it is over. `least_requests`: with fewer in the window it is false.
    `mutes`: rules nobody is told of while this one fires; ALL: every other."""

    name: str
    severity: Severity
    condition: Condition
    for_seconds: float = 0.0
    window_seconds: float = 60.0
    keep_seconds: float = 120.0
    least_requests: int = 0
    mutes: tuple[str, ...] = ()

    @property
    def no_data_fires(self) -> bool:
        """Whether silence is what it watches for."""
        return self.condition.signal == "app_down"

    @property
    def own(self) -> bool:
        return self.condition.signal == OWN_SIGNAL

    def silences(self, other: Rule) -> bool:
        """Whether nobody is told of `other` while this fires. What the engine says of its own
        channels is always told: it may be why nobody hears of the rest."""
        if other.name in (self.name, DELIVERY_FAILED.name):
            return False
        return ALL in self.mutes or other.name in self.mutes


WARNING_SECONDS = 15 * MINUTE
LEAST_REQUESTS = 20
LEAST_REQUESTS_FOR_TIMES = 10  # with fewer, the slowest 5% is a single one


def for_seconds(severity: Severity) -> float:
    """Critical at once; a warning after a quarter of an hour."""
    return 0.0 if severity == "critical" else WARNING_SECONDS


def least_requests(signal: str) -> int:
    if not SIGNALS[signal].traffic:
        return 0
    return LEAST_REQUESTS_FOR_TIMES if signal == "response_time" else LEAST_REQUESTS


def rule(name: str, severity: Severity, condition: Condition, mutes: tuple[str, ...] = ()) -> Rule:
    """A rule with all that follows from its severity and its signal."""
    return Rule(
        name,
        severity,
        condition,
        for_seconds(severity),
        SIGNALS[condition.signal].window_seconds,
        least_requests=least_requests(condition.signal),
        mutes=mutes,
    )


_TRAFFIC = ("ErrorRateHigh", "ErrorRateRaised", "ResponseSlow")
DEFAULT_RULES: tuple[Rule, ...] = (
    rule("AppDown", "critical", Condition("app_down"), (ALL,)),
    rule("DatabaseDown", "critical", Condition("database_down"), _TRAFFIC),
    rule("ErrorRateHigh", "critical", Condition("error_rate", True, 0.05), ("ErrorRateRaised",)),
    rule("ResponseSlow", "critical", Condition("response_time", True, 10.0)),
    rule("MemoryHigh", "warning", Condition("memory", True, 0.80)),
    rule("CpuHigh", "warning", Condition("cpu", True, 0.80)),
    rule("DiskLow", "warning", Condition("disk_free", False, 0.10)),
    rule("ErrorRateRaised", "warning", Condition("error_rate", True, 0.01)),
)
"""The conditions that hold where alerting.yml has no block of rules."""

RULE_BROKEN = Rule("RuleBroken", "warning", Condition(OWN_SIGNAL))
FILE_WRONG = Rule("AlertingFileWrong", "warning", Condition(OWN_SIGNAL))
DELIVERY_FAILED = Rule("DeliveryFailed", "critical", Condition(OWN_SIGNAL))
OWN_RULES: tuple[Rule, ...] = (RULE_BROKEN, FILE_WRONG, DELIVERY_FAILED)
"""What the engine tells of itself, whatever the file says."""


def dedup_key(environment: str, name: str, labels: Labels = ()) -> str:
    """What an alert is known by, here and at PagerDuty. The severity is no part of it: changing it
    opens no second incident."""
    parts = [environment, name, *(f"{label}={value}" for label, value in sorted(labels))]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def by_name(rules: Iterable[Rule]) -> dict[str, Rule]:
    return {one.name: one for one in (*OWN_RULES, *rules)}


def amount(value: float, unit: str) -> str:
    """A value in the unit that its limits are given in."""
    if unit == "%":
        return f"{value * 100:.3g}%"
    return f"{value:.3g} {unit}".rstrip() if unit == "s" else f"{value:,.0f}"
