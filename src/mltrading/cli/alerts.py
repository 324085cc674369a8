"""`mltrading alerts`: try the channels, look at what is alerted, be quiet for a while, foresee."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.cli.database import migrated_url
from mltrading.cli.start import configured
from mltrading.domain.access import CONSOLE
from mltrading.domain.alerting.silences import span_seconds
from mltrading.domain.alerting.words import clearing, lasting, named
from mltrading.errors import InvalidSilence
from mltrading.utils.message import SEVERITIES, Message
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.alerts import Alerts, AlertsNow

LONGEST_DAYS = 8


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    test = _action(
        actions, "test", test_channels, "send a test over each channel", "test --severity info"
    )
    test.description = (
        "Send a test over each channel of alerting.yml. Exits 0 where every one took it, 1 where"
        " one did not or was skipped as its variable is not set: it would tell nobody."
    )
    test.add_argument("--severity", choices=SEVERITIES, help="only its channels (default: all)")
    _action(actions, "list", show, "alerts, silences and messages that wait", "list --json")
    silence = _action(
        actions,
        "silence",
        be_quiet,
        "tell nobody of what matches, for a while",
        "silence MemoryHigh --for 2h --reason 'bigger machine on its way'",
    )
    silence.add_argument("matcher", help="a rule, or label=value with * for anything, by commas")
    silence.add_argument(
        "--for", dest="seconds", type=seconds, required=True, help="such as 30m, 2h, 3d"
    )
    silence.add_argument("--reason", required=True, help="why, for those who wonder")
    end = _action(actions, "unsilence", be_loud, "end a silence", "unsilence 3")
    end.add_argument("id", help="as `alerts list` shows it")
    preview = _action(
        actions,
        "preview",
        foresee,
        "how often each rule would have fired on what was recorded",
        "preview --days 7",
    )
    preview.add_argument(
        "--days", type=days, default=7.0, help=f"up to {LONGEST_DAYS} (default: 7)"
    )
    export = _action(
        actions,
        "export",
        write_prometheus,
        "write the same rules for Prometheus and Alertmanager",
        "export --prometheus monitoring",
    )
    export.add_argument("--prometheus", metavar="DIR", type=Path, required=True)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    example: str,
) -> argparse.ArgumentParser:
    one = actions.add_parser(name, help=help, epilog=f"example: mltrading alerts {example}")
    one.add_argument("--json", action="store_true", help="report as one line of JSON")
    one.set_defaults(run=run)
    return one


def seconds(text: str) -> float:
    try:
        return span_seconds(text)
    except InvalidSilence as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def days(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or not 0 < float(text) <= LONGEST_DAYS:
        raise argparse.ArgumentTypeError(
            f"must be more than 0 and at most {LONGEST_DAYS}: samples are kept for that long"
        )
    return float(text)


def test_channels(arguments: argparse.Namespace) -> int:
    """0 where each channel took it (an incident at PagerDuty is opened and ended): one that is
    skipped for want of its variable would tell nobody of an alert."""
    from mltrading.paging import build_config, new_id

    settings = configured()
    config = build_config(settings)
    severities = [arguments.severity] if arguments.severity else list(SEVERITIES)
    results: dict[str, str] = {}
    with Progress() as step:
        for severity, to in config.named(severities):
            step(f"Sending to {to.name}")
            message = Message(
                severity,
                f"{settings.environment}: a test of {to.name}",
                "Nothing is wrong: `mltrading alerts test` was called.",
                key=f"{settings.environment}-alerts-test",
                id=new_id(),
            )
            results[to.name] = config.try_out(to, message)
    failed = any(said != "delivered" for said in results.values())
    _report(arguments, results, (f"{name}: {said}" for name, said in results.items()))
    return 1 if failed else 0


def show(arguments: argparse.Namespace) -> int:
    with opened() as alerts:
        now = alerts.current(CONSOLE)
    _report(arguments, plain_state(now), lines_of(now))
    return 0


def plain_state(now: AlertsNow) -> dict[str, object]:
    return {
        "at": _stamp(now.at),
        "evaluated_at": _stamp(now.evaluated_at),
        "alerts": [
            {
                "rule": one.rule,
                "labels": dict(one.labels),
                "severity": one.severity,
                "state": one.state.value,
                "said": one.said,
                "since": _stamp(one.pending_since or one.fired_at),
                "muted_by": one.muted_by,
                "cleared_at": _stamp(one.false_since if one.open else None),
                "over_at": _stamp(now.over_at.get(one.key)),
                "key": one.key,
            }
            for one in now.alerts
        ],
        "silences": [
            {
                "id": one.id,
                "matchers": one.text,
                "author": one.author,
                "reason": one.reason,
                "ends_at": _stamp(one.ends_at),
            }
            for one in now.silences
        ],
        "queue": [
            {
                "channel": one.destination.name,
                "waiting": one.waiting,
                "oldest_seconds": round(one.oldest_seconds),
                "dead": one.dead,
                "reason": one.reason,
            }
            for one in now.queue
        ],
    }


def lines_of(now: AlertsNow) -> Iterator[str]:
    if now.evaluated_at is None:
        yield "nothing was evaluated yet: does `mltrading worker` run?"
    else:
        yield f"evaluated {lasting((now.at - now.evaluated_at).total_seconds())} ago"
    for one in now.alerts:
        muted = f" (muted by {one.muted_by})" if one.muted_by else ""
        cleared = clearing(one, now.over_at.get(one.key))
        said = f"{cleared}: {one.said}" if cleared else one.said
        yield f"{one.state.value:9} {one.severity:8} {one.rule}{muted}: {named(one)}{said}"
    for silence in now.silences:
        until = f"{silence.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield f"silence {silence.id}: {silence.text} until {until}: {silence.reason}"
    for queue in now.queue:
        oldest = f" for up to {lasting(queue.oldest_seconds)}" if queue.waiting else ""
        yield (
            f"{queue.destination.name}: {queue.waiting} waiting{oldest}, {queue.dead} given up in a"
            f" day{f': {queue.reason}' if queue.reason else ''}"
        )


def be_quiet(arguments: argparse.Namespace) -> int:
    with opened() as alerts:
        made = alerts.silence(CONSOLE, arguments.matcher, arguments.seconds, arguments.reason)
    until = f"{made.ends_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    plain = {"id": made.id, "matchers": made.text, "ends_at": _stamp(made.ends_at)}
    _report(arguments, plain, [f"silence {made.id}: {made.text} until {until}"])
    return 0


def be_loud(arguments: argparse.Namespace) -> int:
    with opened() as alerts:
        alerts.unsilence(CONSOLE, arguments.id)
    _report(arguments, {"id": arguments.id}, [f"silence {arguments.id} is over"])
    return 0


def foresee(arguments: argparse.Namespace) -> int:
    with opened() as alerts:
        with Progress() as step:
            step("Reading samples")
            found = alerts.preview(CONSOLE, arguments.days)
    plain = [
        {
            "rule": one.rule.name,
            "severity": one.rule.severity,
            "when": str(one.rule.condition),
            "evaluations": one.evaluations,
            "fired": one.incidents,
            "open_seconds": round(one.open_seconds),
            "longest_seconds": round(one.longest_seconds),
            "newest_at": _stamp(one.newest_at),
        }
        for one in found
    ]

    def lines() -> Iterator[str]:
        for one in found:
            if not one.evaluations:
                yield f"{one.rule.name}: no samples were recorded"
            elif not one.incidents:
                yield f"{one.rule.name}: never in {one.evaluations:,} evaluations"
            else:
                yield (
                    f"{one.rule.name}: {one.incidents} times, {lasting(one.open_seconds)} in all,"
                    f" at most {lasting(one.longest_seconds)}"
                )

    _report(arguments, {"days": arguments.days, "rules": plain}, lines())
    return 0


def write_prometheus(arguments: argparse.Namespace) -> int:
    import yaml

    from mltrading.paging import build_config
    from mltrading.services.alert_prometheus import alertmanager_document, rules_document

    settings = configured()
    config = build_config(settings)
    rules = config.ruleset().rules
    documents = {
        "mltrading-rules.yml": rules_document(rules, settings.environment),
        "alertmanager.yml": alertmanager_document(rules, config.channels_of_file()),
    }
    folder: Path = arguments.prometheus
    folder.mkdir(parents=True, exist_ok=True)
    head = "# Written by `mltrading alerts export`. Secrets stay in files; see docs/operator.md.\n"
    for name, document in documents.items():
        text = yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)
        (folder / name).write_text(head + text, encoding="utf-8")
    written = [str(folder / name) for name in documents]
    _report(arguments, {"written": written}, written)
    return 0


@contextmanager
def opened() -> Iterator[Alerts]:
    """The verbs over the database of the settings."""
    from mltrading.adapters.postgres.pool import Database
    from mltrading.paging import build_alerts

    settings = configured()
    with Progress() as step, migrated_url(settings, step) as url:
        with closing(Database(url, 1)) as database:
            yield build_alerts(settings, database)


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _report(
    arguments: argparse.Namespace, plain: Mapping[str, object], lines: Iterable[str]
) -> None:
    if arguments.json:
        print(json.dumps(plain))
    else:
        for line in lines:
            print(line)
    sys.stdout.flush()
