"""`python -m delivery notify`: tell people of a delivery, over the channels of alerting.yml."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mltrading.adapters.channels import Channel, NotSet, open_channel
from mltrading.adapters.channels.retrying import deliver_all
from mltrading.alerting import parse_alerting_file
from mltrading.errors import ConfigurationError
from mltrading.files import alerting_path
from mltrading.utils.message import SEVERITIES, Destination, Message, Outcome, Severity
from mltrading.utils.text import one_line

DeliverAll = Callable[[Sequence[Channel], Message], list[Outcome]]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: python -m delivery notify --severity critical --title 'Deploy failed'"
        " --text 'production stays on v12' --key deploy-production"
    )
    parser.add_argument("--severity", required=True, choices=SEVERITIES)
    parser.add_argument("--title", required=True, help="one line")
    parser.add_argument("--text", default="", help="the rest, plain text")
    parser.add_argument("--key", required=True, help="what it is about; same key, same incident")
    parser.add_argument("--link", help="more to read (default: this run of the workflow)")
    parser.add_argument(
        "--resolved", action="store_true", help="what the key names is over; ends its incident"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when a critical message reached nobody."""
    message = Message(
        arguments.severity,
        arguments.title,
        arguments.text,
        arguments.key,
        arguments.link or run_link(os.environ),
        arguments.resolved,
    )
    reached, problems = send(message, os.environ)
    for name in reached:
        print(f"told {name}")
    for problem in problems:
        say_loudly(problem, os.environ)
    return 1 if message.severity == "critical" and not reached else 0


def notify(
    severity: Severity,
    title: str,
    text: str,
    *,
    key: str,
    link: str | None = None,
    resolved: bool = False,
) -> list[str]:
    """Send to every channel that alerting.yml names for the severity; what did not work, one
    line each, which were said on stderr already. Never raises; takes at most 75 seconds.

    `key` says what it is about (such as "deploy-production"): with `resolved`, the incident that
    an earlier message of the same key opened is ended."""
    message = Message(severity, title, text, key, link or run_link(os.environ), resolved)
    _, problems = send(message, os.environ)
    for problem in problems:
        say_loudly(problem, os.environ)
    return problems


def send(
    message: Message,
    environment: Mapping[str, str],
    deliver: DeliverAll = deliver_all,
) -> tuple[list[str], list[str]]:
    """The names of the channels that were reached, and what did not work with the others."""
    try:
        config = environment.get("MLTRADING_CONFIG")
        path = alerting_path(Path(config) if config else None)
        destinations = parse_alerting_file(path).channels[message.severity]
    except ConfigurationError as error:
        return [], [f"nobody was told: {error}"]
    channels, problems = opened(destinations, environment)
    reached = []
    for channel, outcome in zip(channels, deliver(channels, message), strict=True):
        if outcome.delivered:
            reached.append(channel.name)
        else:
            problems.append(f"{channel.name} failed: {outcome.reason}")
    return reached, problems


def opened(
    destinations: Sequence[Destination], environment: Mapping[str, str]
) -> tuple[list[Channel], list[str]]:
    """The channels that can be used, and why the others can not."""
    channels, problems = [], []
    for one in destinations:
        try:
            channels.append(open_channel(one.kind, one.target, environment))
        except NotSet as error:
            problems.append(f"{one.kind} {one.target} skipped: {error}")
        except ConfigurationError as error:
            problems.append(f"{one.kind} {one.target} failed: {error}")
    return channels, problems


def run_link(environment: Mapping[str, str]) -> str | None:
    """The page of the workflow run that this is; None on a laptop."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run_id = (environment.get(name, "") for name in names)
    if not (server and repository and run_id):
        return None
    return f"{server}/{repository}/actions/runs/{run_id}"


def say_loudly(problem: str, environment: Mapping[str, str]) -> None:
    """A warning on stderr; in a workflow also on the page of the run, by its own notation."""
    line = one_line(problem)
    print(f"delivery: warning: {line}", file=sys.stderr)
    if environment.get("GITHUB_ACTIONS") == "true":
        print(f"::warning title=Notification::{line.replace('%', '%25')}")
