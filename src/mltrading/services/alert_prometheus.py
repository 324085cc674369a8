"""The same rules for whoever has Prometheus and Alertmanager: two documents, without any secret.

Alertmanager reads secrets from files below SECRETS; what this program tells of itself (its
channels, its file) has no counterpart there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mltrading.domain.alerting.notices import (
    GROUP_INTERVAL_SECONDS,
    GROUP_WAIT_SECONDS,
    NEVER_REPEATED,
    REPEAT_SECONDS,
)
from mltrading.domain.alerting.rules import ALL, Rule
from mltrading.domain.alerting.words import RUNBOOK, anchor
from mltrading.services.alert_sensors import MANY_FAILURES
from mltrading.services.summing import FAILED, HEALTH, LOST, OWN, STATIC
from mltrading.utils import measures
from mltrading.utils.message import Destination, Severity

Document = dict[str, object]

JOB = "mltrading"
SECRETS = "/etc/alertmanager/secrets"
NEVER_SECONDS = 365 * 86_400.0
PREFIX = "mltrading_"
_OTHERS = "|".join(route.replace(".", "[.]") for route in (*HEALTH, *STATIC, *OWN))
PEOPLE = f'route!~"({_OTHERS}).*"'
"""The requests of people, as the samples count them (services.summing)."""


def rules_document(rules: Iterable[Rule], environment: str) -> Document:
    """What `rule_files` of Prometheus names."""
    return {
        "groups": [
            {
                "name": "mltrading",
                "interval": "15s",
                "rules": [_rule(one, environment) for one in rules],
            }
        ]
    }


def _rule(rule: Rule, environment: str) -> Document:
    made: Document = {"alert": rule.name, "expr": expression(rule)}
    if rule.for_seconds:
        made["for"] = span(rule.for_seconds)
    made["keep_firing_for"] = span(rule.keep_seconds)
    made["labels"] = {"severity": rule.severity, "environment": environment}
    made["annotations"] = {
        "summary": f"{environment} {rule.name}: {rule.condition}",
        "runbook": f"{RUNBOOK}#{anchor(rule.name)}",
    }
    return made


def expression(rule: Rule) -> str:
    """The condition in PromQL. Shares are of the worst process, as everywhere."""
    over, condition = span(rule.window_seconds), rule.condition
    compared = f"{'>' if condition.above else '<'} {condition.limit:.10g}"
    requests = _increase(measures.REQUESTS, f'{PEOPLE},status!~"4.."', over)
    enough = f" and {requests} >= {rule.least_requests}" if rule.least_requests else ""
    bucket = f"{PREFIX}{measures.REQUEST_SECONDS}_bucket{{{PEOPLE}}}"
    quantile = f"histogram_quantile(0.95, sum by (le) (rate({bucket}[{over}])))"
    lost = _increase(measures.DATABASE_FAILURES, f'kind=~"{"|".join(sorted(LOST))}"', over)
    return {
        "app_down": f'absent(up{{job="{JOB}"}} == 1)',
        "database_down": f"min({PREFIX}database_up) == 0 or {lost} >= {MANY_FAILURES}",
        "error_rate": f"({_failed(over)}) / {requests} {compared}{enough}",
        "response_time": f"{quantile} {compared}{enough}",
        "memory": f"max({PREFIX}memory_used_ratio) {compared}",
        "cpu": f"max(avg_over_time({PREFIX}cpu_used_ratio[{over}])) {compared}",
        "disk_free": f"min({PREFIX}disk_free_ratio) {compared}",
        "database_failures": f"{lost} {compared}",
    }[condition.signal]


def _failed(over: str) -> str:
    """Answers of 5xx, and callbacks that failed, which a browser is told of with a 200."""
    answers = _increase(measures.REQUESTS, f'{PEOPLE},status=~"5.."', over)
    outcomes = "|".join(sorted(FAILED))
    callbacks = _increase(measures.CALLBACKS, f'outcome=~"{outcomes}"', over)
    return f"({answers} or vector(0)) + ({callbacks} or vector(0))"


def _increase(name: str, labels: str, over: str) -> str:
    return f"sum(increase({PREFIX}{name}_total{{{labels}}}[{over}]))"


def alertmanager_document(
    rules: Sequence[Rule], channels: Mapping[Severity, Sequence[Destination]]
) -> Document:
    """Routes, receivers and inhibitions, as the channels of alerting.yml."""
    routes: list[Document] = []
    receivers: list[Document] = [{"name": "nobody"}]
    severities: tuple[Severity, ...] = ("critical", "warning")
    for severity in severities:
        for number, to in enumerate(channels.get(severity, ()), 1):
            name = f"{severity}-{number}-{to.kind}"
            receivers.append({"name": name, **_receiver(to, severity)})
            repeat = NEVER_SECONDS if to.kind in NEVER_REPEATED else REPEAT_SECONDS[severity]
            routes.append(
                {
                    "receiver": name,
                    "matchers": [f'severity="{severity}"'],
                    "group_wait": span(GROUP_WAIT_SECONDS[severity]),
                    "repeat_interval": span(repeat),
                    "continue": True,
                }
            )
    return {
        "route": {
            "receiver": "nobody",
            "group_by": ["alertname"],
            "group_interval": span(GROUP_INTERVAL_SECONDS),
            "routes": routes,
        },
        "receivers": receivers,
        "inhibit_rules": [_inhibition(one) for one in rules if one.mutes],
    }


def _receiver(to: Destination, severity: str) -> Document:
    shared: Document = {"send_resolved": True}
    if to.kind == "slack":
        shared |= {"channel": to.target, "api_url_file": f"{SECRETS}/slack_webhook"}
        return {"slack_configs": [shared]}
    if to.kind == "email":
        shared |= {
            "to": to.target,
            "from": f"mltrading@{to.target.rpartition('@')[2]}",
            "smarthost": "smtp.invalid:587",
            "auth_username": "SMTP_USER",
            "auth_password_file": f"{SECRETS}/smtp_password",
        }
        return {"email_configs": [shared]}
    if to.kind == "pagerduty":
        shared |= {"routing_key_file": f"{SECRETS}/pagerduty_key", "severity": severity}
        return {"pagerduty_configs": [shared]}
    return {"webhook_configs": [shared | {"url": to.target}]}


def _inhibition(rule: Rule) -> Document:
    others = f'alertname!="{rule.name}"'
    if ALL not in rule.mutes:
        others = f'alertname=~"{"|".join(rule.mutes)}"'
    return {
        "source_matchers": [f'alertname="{rule.name}"'],
        "target_matchers": [others],
        "equal": ["environment"],  # so that alerts of others are not muted
    }


def span(seconds: float) -> str:
    """As Prometheus writes it."""
    for letter, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and not seconds % length:
            return f"{seconds / length:.0f}{letter}"
    return f"{seconds:.0f}s"
