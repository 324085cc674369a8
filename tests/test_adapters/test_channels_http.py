"""Slack, PagerDuty and webhooks against a scripted server: bodies, limits, answers, secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mltrading.adapters.channels import SECRETS, NotSet, open_channel
from mltrading.adapters.channels.http import Poster, checked_url, json_bytes, seconds_of
from mltrading.adapters.channels.pagerduty import PagerDuty, event
from mltrading.adapters.channels.slack import SlackWebhook, payload
from mltrading.adapters.channels.webhook import Webhook
from mltrading.errors import ConfigurationError
from mltrading.utils.message import DELIVERED, Message, Outcome, Severity
from tests.certificates import Certificate
from tests.test_delivery.scripted_server import Reply, scripted

MESSAGE = Message(
    "critical", "Deploy <failed> & gone", "on v12\n<!channel>", "deploy", "https://x/1"
)
OVER = Message("critical", "Deploy failed", "", "deploy", resolved=True)
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SCHEMA = json.loads((Path(__file__).parent / "pagerduty_event.json").read_text())
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=3000)


def test_slack_gets_text_and_no_mark_up_of_ours() -> None:
    with scripted(Reply(200, b"ok")) as server:
        channel = SlackWebhook(f"{server.url}/services/s3cret", "#alerts")
        assert channel.send(MESSAGE) == DELIVERED
    [request] = server.received
    assert (request.method, request.path) == ("POST", "/services/s3cret")
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.content)
    assert body["channel"] == "#alerts"
    assert body["text"] == (
        ":rotating_light: *critical: Deploy &lt;failed&gt; &amp; gone*\n"
        "on v12\n&lt;!channel&gt;\nhttps://x/1"
    )
    assert payload(OVER, "#a")["text"] == ":white_check_mark: *resolved: Deploy failed*"


@given(ANY_TEXT, st.text(max_size=100_000), st.none() | ANY_TEXT)
def test_what_slack_gets_is_bounded_and_calls_nobody(
    title: str, text: str, link: str | None
) -> None:
    body = payload(Message("info", title, text, "k", link), "#alerts")
    assert not {"<", ">"} & set(str(body["text"]))
    assert len(json_bytes(body)) < 100_000


def test_pagerduty_triggers_and_resolves_by_the_same_key() -> None:
    with scripted(Reply(202, {"status": "success"})) as server:
        channel = PagerDuty(ROUTING_KEY, "host-1", server.url)
        assert channel.send(MESSAGE) == channel.send(OVER) == DELIVERED
    bodies = [json.loads(request.content) for request in server.received]
    assert {request.path for request in server.received} == {"/v2/enqueue"}
    assert [body["event_action"] for body in bodies] == ["trigger", "resolve"]
    assert {(body["routing_key"], body["dedup_key"]) for body in bodies} == {
        (ROUTING_KEY, "deploy")
    }
    assert bodies[0]["payload"]["summary"] == "Deploy <failed> & gone"
    assert bodies[0]["links"] == [{"href": "https://x/1", "text": "More"}]


@given(
    st.sampled_from(["critical", "warning", "info"]),
    ANY_TEXT,
    st.text(max_size=100_000),
    ANY_TEXT,
    st.none() | ANY_TEXT,
    st.booleans(),
)
def test_every_event_is_one_that_pagerduty_documents(
    severity: Severity, title: str, text: str, key: str, link: str | None, resolved: bool
) -> None:
    body = event(Message(severity, title, text, key, link, resolved), ROUTING_KEY, "host-1")
    sent = json_bytes(body)
    Draft202012Validator(SCHEMA).validate(json.loads(sent))
    assert len(sent) <= 512_000


@pytest.mark.parametrize(
    "change",
    [
        {"event_action": "open"},
        {"routing_key": "short"},
        {"dedup_key": "k" * 256},
        {"payload": {"summary": "s", "source": "h", "severity": "fatal"}},
        {"payload": {"summary": "s" * 1025, "source": "h", "severity": "info"}},
        {"payload": {"summary": "s", "severity": "info"}},
        {"links": [{"text": "no address"}]},
    ],
)
def test_the_schema_finds_what_pagerduty_would_refuse(change: dict[str, Any]) -> None:
    body = {**event(MESSAGE, ROUTING_KEY, "host-1"), **change}
    assert not Draft202012Validator(SCHEMA).is_valid(body)


def test_different_long_keys_stay_different() -> None:
    first, second = (
        event(Message("info", "t", "", "k" * 300 + end), ROUTING_KEY, "h")["dedup_key"]
        for end in "ab"
    )
    assert first != second


def test_a_webhook_is_signed_as_the_specification_says() -> None:
    with scripted(Reply(204)) as server:
        channel = Webhook(f"{server.url}/hook", SECRET, now=lambda: 1_700_000_000.9)
        assert channel.send(MESSAGE) == channel.send(MESSAGE) == DELIVERED
    first, again = server.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == MESSAGE.id
    assert first.headers["webhook-timestamp"] == "1700000000"
    signed = f"{MESSAGE.id}.1700000000.".encode() + first.content
    digest = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest())
    assert first.headers["webhook-signature"] == f"v1,{digest.decode()}"
    assert json.loads(first.content)["status"] == "firing"


@pytest.mark.parametrize("secret", ["s3cret", "whsec_s3cret", "whsec_czNjcmV0", "whsec_äöü"])
def test_a_weak_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="WEBHOOK_SECRET must be whsec_") as caught:
        Webhook("https://hooks.example", secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, b"ok"), DELIVERED),
        (Reply(202), DELIVERED),
        (Reply(200, b"ok" * 50, cut=True), DELIVERED),
        (Reply(503, b"busy" * 50, cut=True), Outcome("retry", "answered 503: " + "busy" * 25)),
        (Reply(400, b"invalid_payload"), Outcome("dead", "answered 400: invalid_payload")),
        (Reply(404, b"no_service"), Outcome("dead", "answered 404: no_service")),
        (Reply(410), Outcome("dead", "answered 410")),
        (Reply(302, headers={"location": "http://127.0.0.1:1/"}), Outcome("dead", "answered 302")),
        (Reply(408), Outcome("retry", "answered 408")),
        (Reply(429, headers={"retry-after": "30"}), Outcome("retry", "answered 429", 30.0)),
        (Reply(429, headers={"retry-after": "soon"}), Outcome("retry", "answered 429")),
        (Reply(500, b"a\r\nb\x00"), Outcome("retry", "answered 500: a b")),
        (Reply(503, headers={"retry-after": "0"}), Outcome("retry", "answered 503", 0.0)),
        (Reply(drop=True), Outcome("retry", "the connection failed (RemoteDisconnected)")),
        (Reply(500, b"x" * 100_000), Outcome("retry", f"answered 500: {'x' * 197}...")),
    ],
)
def test_what_an_answer_means(reply: Reply, outcome: Outcome) -> None:
    with scripted(reply) as server:
        assert Poster(server.url).post(b"{}") == outcome
        assert len(server.received) == 1  # one attempt, no redirect followed


def test_silence_ends_at_the_deadline() -> None:
    with scripted(Reply(hang=True)) as server:
        outcome = Poster(server.url, timeout_seconds=0.2).post(b"{}")
    assert outcome == Outcome("retry", "no answer within 0.2 s")


def test_nobody_listening_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = Poster(f"http://127.0.0.1:{port}").post(b"{}")
    assert outcome == Outcome("retry", "the connection failed (ConnectionRefusedError)")


def test_an_answer_that_is_no_http_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1000)
                line.sendall(b"\x00nonsense\r\n\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        outcome = Poster(f"http://127.0.0.1:{listener.getsockname()[1]}").post(b"{}")
        thread.join()
    assert outcome.state == "retry"


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    with scripted(Reply(200), tls=certificate.server_context()) as server:
        assert Poster(server.url).post(b"{}").reason == "its certificate can not be verified"
        assert server.received == []
        trusting = Poster(server.url, context=certificate.trusting_context())
        assert trusting.post(b"{}") == DELIVERED


def test_no_secret_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(Reply(400, b"x")) as server:
        secrets = {
            "slack": f"{server.url}/services/s3cret",
            "pagerduty": "s3cret",
            "webhook": SECRET,
        }
        echo = json.dumps(secrets).encode()
        server.replies[:] = [Reply(400, echo)]
        for kind, secret in secrets.items():
            environment = {SECRETS[kind]: secret, "PAGERDUTY_API_URL": server.url}
            target = f"{server.url}/hook" if kind == "webhook" else "#alerts"
            channel = open_channel(kind, target, environment)
            outcome = channel.send(MESSAGE)
            shown = f"{outcome} {channel!r} {channel.name} {vars(channel).get('name')}"
            assert secret not in shown
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_that_is_not_there_is_named(kind: str) -> None:
    for environment in ({}, {SECRETS[kind]: ""}, {SECRETS[kind]: " "}):
        with pytest.raises(NotSet, match=f"^{SECRETS[kind]} is not set$"):
            open_channel(kind, "https://x", environment)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "http://hooks.example/s3cret",
        "ftp://hooks.example/s3cret",
        "https:///s3cret",
        "https://h:port/s3cret",
        "https://h/s3cret\r\nX: y",
        "https://h/s3 cret",
        "https://[s3cret",
        "https://me:s3cret@hooks.example/",
        "https://hooks..example/s3cret",
        "https://hööks.example/s3cret",
        "http://127.0.0.1.example/s3cret",
    ],
)
def test_an_address_that_may_not_be_posted_to_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="^SLACK_WEBHOOK ") as caught:
        open_channel("slack", "#alerts", {"SLACK_WEBHOOK": url or "x"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://h/x", "http://127.0.0.1:1/x", "http://localhost/x"])
def test_an_address_that_may_be_posted_to(url: str) -> None:
    assert checked_url(url, "X") == url


def test_a_routing_key_is_letters_and_digits() -> None:
    with pytest.raises(ConfigurationError, match="PAGERDUTY_KEY must be"):
        open_channel("pagerduty", "service-key", {"PAGERDUTY_KEY": "a b"})


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 500, 86_400.0),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:01:30 -0000", 90.0),
        ("Fri, 01 Jan 9999 00:00:00 GMT", 86_400.0),
        ("Mon, 99 Nov 2026 12:01:30 GMT", None),
        ("tomorrow", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_breaks_us(header: str) -> None:
    seconds = seconds_of(header, NOW)
    assert seconds is None or 0 <= seconds <= 86_400
