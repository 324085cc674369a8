"""The log: one line a record, for which request, and nothing in it that must not be read."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from mltrading.utils import logs
from mltrading.utils.context import Work, error_id, sane_id, working

pytestmark = pytest.mark.smoke

CANARIES = {
    "SECRET_KEY": "canary-key-0123456789abcdef",
    "DATABASE_URL": "postgresql://trader:c%40nary%2Fpw@db.example/market",
    "REDIS_URL": "redis://:canary-redis@cache.example:6379/0",
    "SLACK_WEBHOOK": "https://hooks.slack.example/services/T0CANARY/B0CANARY/xyzcanary",
    "SMTP_URL": "smtps://robot:canary+mail@mail.example:465",
    "METRICS_TOKEN": 'canary"token\\with\nmarks',
}
READABLE = (
    "canary-key-0123456789abcdef",
    "c@nary/pw",
    "c%40nary%2Fpw",
    "canary-redis",
    "T0CANARY",
    "xyzcanary",
    "canary+mail",
    "canary%2Bmail",
    "token\\with",
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log of the process, and what ends in it, as pytest had them."""
    import sys
    import threading

    root = logging.getLogger()
    handlers, level, hooks = list(root.handlers), root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks


def written(
    level: str = "info", *, plain: bool = False, secrets: tuple[str, ...] = ()
) -> io.StringIO:
    stream, root = io.StringIO(), logging.getLogger()
    root.handlers[:] = []  # pytest's own
    logs.set_up(level, plain=plain, secrets=secrets, stream=stream)
    return stream


def objects(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_what_is_known_of_the_request() -> None:
    stream = written()
    work = Work("r" * 24 + "cafe0123", "subject-1", "/charts", "chart-answer.data", 200, 12.5)
    with working(work):
        logging.getLogger("mltrading.x").warning("drawn %s", "AAPL")
    logging.getLogger("mltrading.x").info("outside")
    inside, outside = objects(stream)
    assert str(inside.pop("time")).endswith("Z")
    inside.pop("process")
    assert inside == {
        "level": "warning",
        "logger": "mltrading.x",
        "message": "drawn AAPL",
        "request_id": work.request_id,
        "user": "subject-1",
        "route": "/charts",
        "callback": "chart-answer.data",
        "status": 200,
        "duration_ms": 12.5,
        "error_id": "cafe0123",
    }
    assert set(outside) == {"time", "level", "logger", "message", "process"}


def test_line_ends_and_control_characters_begin_no_line_of_their_own() -> None:
    nasty = 'x\r\n{"level": "error", "message": "forged"}\u2028y\x1b[31m\x85z'
    stream = written()
    logging.getLogger("x").error(nasty)
    assert stream.getvalue().count("\n") == 1
    assert objects(stream)[0]["message"] == nasty
    stream = written(plain=True)
    try:
        raise ValueError(nasty)
    except ValueError:
        logging.getLogger("x").exception(nasty)
    first, *trace = stream.getvalue().splitlines()
    assert "\x1b" not in first and "\\r\\n" in first and "\\x1b" in first
    assert trace and all(line.startswith("    ") for line in trace)


@pytest.mark.parametrize("plain", [True, False])
def test_no_secret_is_written_whatever_it_is_hidden_in(plain: bool) -> None:
    stream = written(plain=plain, secrets=tuple(CANARIES.values()))
    log = logging.getLogger("x")
    for name, value in CANARIES.items():
        log.error("%s is %s and %r, as JSON %s", name, value, value, json.dumps({"v": value}))
        try:
            raise RuntimeError(f"could not use {value}")
        except RuntimeError:
            log.exception("failed")
    log.error(
        'https://hooks.slack.example:443 "POST /services/T0CANARY/B0CANARY/xyzcanary HTTP/1.1"'
    )
    log.error("password c@nary/pw, login robot with canary+mail, also canary%%2Bmail")
    text = stream.getvalue()
    assert not [one for one in READABLE if one in text or one in json.dumps(text)[1:-1]]
    assert "could not use" in text and "hooks.slack.example:443" in text and "robot" in text
    kept = logs.kept()
    assert kept is not None
    assert not [one for one in READABLE if one in str(kept.newest())]


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert logs.Secrets(["", "abc"]).hide("abc, said nobody") == "abc, said nobody"


def test_what_is_no_address_is_hidden_by_the_piece() -> None:
    secrets = logs.Secrets(["smtp://carrier:pigeon-post-1@["])
    assert "pigeon" not in secrets.hide("can not sign in with pigeon-post-1")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_level_acts(level: str) -> None:
    stream = written(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("mltrading.x"), name)(name)
    names = ["debug", "info", "warning", "error"]
    assert [one["level"] for one in objects(stream)] == names[names.index(level) :]


def test_starts_and_ends_are_told_at_every_level() -> None:
    stream = written("error")
    logging.getLogger(logs.LIFE).info("started")
    assert [one["message"] for one in objects(stream)] == ["started"]


def test_setting_up_again_replaces_what_was() -> None:
    first = written("info")
    second = io.StringIO()
    logs.set_up("info", plain=False, stream=second)
    logging.getLogger("x").info("once")
    assert (first.getvalue(), len(objects(second))) == ("", 1)


def test_warnings_and_errors_wait_to_be_stored_and_are_taken_once() -> None:
    written("debug")
    kept = logs.kept()
    assert kept is not None
    logging.getLogger("x").info("not this")
    with working(Work("r" * 32, "subject-1")):
        logging.getLogger("x").warning("this")
    logging.getLogger("x").error("and this")
    waiting = kept.newest()
    assert [(one.level, one.message, one.user) for one in waiting] == [
        ("warning", "this", "subject-1"),
        ("error", "and this", ""),
    ]
    logging.getLogger("x").error("meanwhile")
    kept.taken(waiting)
    assert [one.message for one in kept.newest()] == ["meanwhile"]


def test_what_waits_is_bounded() -> None:
    written("error")
    kept = logs.kept()
    assert kept is not None
    for _ in range(logs.KEPT + 50):
        logging.getLogger("x").error("again")
    assert len(kept.newest()) == logs.KEPT


def test_a_wrong_format_loses_neither_the_line_nor_the_caller() -> None:
    stream = written()
    logging.getLogger("x").error("%d of %d", "one")
    assert "%d of %d" in str(objects(stream)[0]["message"])


def test_an_uncaught_error_is_one_line_too() -> None:
    import sys

    stream = written()
    try:
        raise ValueError("planted")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    [line] = objects(stream)
    assert line["level"] == "critical"
    assert "ValueError: planted" in str(line["exception"])


@pytest.mark.parametrize(
    "given",
    ["01234567", "a1b2c3d4-0000-4000-8000-0123456789ab", "Root.1-67891233-abcdef0123", "x" * 128],
)
def test_a_sane_request_id_is_taken(given: str) -> None:
    assert sane_id(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "short", "x" * 129, "with space 1", "a\r\nb: c12345", "é" * 12, "-1234567"]
)
def test_any_other_is_replaced(given: str | None) -> None:
    made = sane_id(given)
    assert made != given
    assert len(made) == 32 and made.isalnum()


def test_an_error_id_leads_to_the_request_and_exists_without_one() -> None:
    with working(Work("a1b2c3d4-0000-4000-8000-0123456789ab")):
        assert error_id() == "456789ab"
    assert len(error_id()) == 8
