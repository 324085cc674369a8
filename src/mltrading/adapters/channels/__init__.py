"""Ways to reach people: Slack, e-mail, PagerDuty, any webhook.

This package needs nothing but the standard library: the delivery jobs, which hold the keys of the
platforms, use it too. A channel makes one attempt a call and raises for no failure of the receiver;
`retrying` tries again.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Protocol

from mltrading.adapters.channels.mail import Mail, parse_server
from mltrading.adapters.channels.pagerduty import API_URL, PagerDuty
from mltrading.adapters.channels.slack import SlackWebhook
from mltrading.adapters.channels.webhook import Webhook
from mltrading.errors import ConfigurationError
from mltrading.utils.message import Message, Outcome

SECRETS = {
    "slack": "SLACK_WEBHOOK",
    "email": "SMTP_URL",
    "pagerduty": "PAGERDUTY_KEY",
    "webhook": "WEBHOOK_SECRET",
}
"""The variable each kind of channel needs."""


class NotSet(ConfigurationError):
    """The environment lacks the variable that a channel needs."""


class Channel(Protocol):
    """`name` is for people and records: kind and target, never a secret."""

    name: str

    def send(self, message: Message) -> Outcome:
        """One attempt."""


def open_channel(kind: str, target: str, environment: Mapping[str, str]) -> Channel:
    """The channel of an entry of alerting.yml; opens no connection.

    NotSet where its secret is missing from `environment` (an empty one counts as missing),
    ConfigurationError where that is of no use; neither shows anything of it."""
    secret = environment.get(SECRETS[kind], "").strip()
    if not secret:
        raise NotSet(f"{SECRETS[kind]} is not set")
    if kind == "slack":
        return SlackWebhook(secret, target)
    if kind == "email":
        return Mail(parse_server(secret), target)
    if kind == "pagerduty":
        api_url = environment.get("PAGERDUTY_API_URL", "").strip() or API_URL
        return PagerDuty(secret, socket.gethostname(), api_url)
    return Webhook(target, secret)


__all__ = ["SECRETS", "Channel", "NotSet", "open_channel"]
