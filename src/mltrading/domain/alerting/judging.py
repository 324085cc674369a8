"""From what was measured to whether a rule's condition holds, in words as well."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from mltrading.domain.alerting.rules import SIGNALS, Rule, amount
from mltrading.domain.alerting.states import Finding, Value
from mltrading.domain.alerting.words import lasting


@dataclass(frozen=True, slots=True)
class Measured:
    """A signal over the rule's window: its value (NaN: not known), and what it rests on."""

    value: float
    requests: int = 0
    samples: int = 0


def judge(rule: Rule, measured: Measured) -> Finding:
    """Whether the condition of a rule with a limit holds. Without samples there is no data; with
    fewer requests than the rule needs nothing is said against the application."""
    if not measured.samples:
        return Finding(Value.NODATA, f"no samples in {lasting(rule.window_seconds)}")
    if measured.requests < rule.least_requests:
        return Finding(
            Value.FALSE,
            f"{measured.requests} requests in {lasting(rule.window_seconds)}, fewer than the"
            f" {rule.least_requests} it needs",
        )
    if isnan(measured.value):
        return Finding(Value.NODATA, f"{rule.condition.signal} is not known")
    value = Value.TRUE if rule.condition.holds(measured.value) else Value.FALSE
    return Finding(value, describe(rule, measured))


def describe(rule: Rule, measured: Measured) -> str:
    """What was measured, with the limit."""
    condition = rule.condition
    unit = SIGNALS[condition.signal].unit
    shown, limit = amount(measured.value, unit), amount(condition.limit, unit)
    span = lasting(rule.window_seconds)
    said = {
        "error_rate": f"{shown} of {measured.requests:,} requests in {span} failed",
        "response_time": f"the slowest 5% of {measured.requests:,} requests in {span} took"
        f" {shown} or more",
        "memory": f"{shown} of the memory is used",
        "cpu": f"{shown} of the processor is used",
        "disk_free": f"{shown} of the disk is free",
        "database_failures": f"{shown} failures of the database in {span}",
    }[condition.signal]
    return f"{said} (limit {limit})"
