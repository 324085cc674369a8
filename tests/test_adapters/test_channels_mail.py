"""E-mail against a scripted server: what is sent, over which encryption, and what failures mean."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.adapters.channels.mail import Mail, Server, compose, parse_server
from mltrading.errors import ConfigurationError
from mltrading.utils.message import DELIVERED, Message, Outcome
from mltrading.utils.text import is_address
from tests.certificates import Certificate
from tests.smtp_server import CUT, HANG, Mailbox, mail_server

MESSAGE = Message(
    "critical", "Deploy failed", "production stays on v12\n.\nö", "deploy-production", "https://x/1"
)
RECIPIENT = "oncall@company.com"
PASSWORD = "s3cret/@:%"
PERCENT = "s3cret%2F%40%3A%25"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(Path(tmp_path_factory.mktemp("tls")))


def send(box: Mailbox, *, scheme: str = "smtp", login: str = "", more: str = "", **kind: object):
    url = f"{scheme}://{login}127.0.0.1:{box.port}{more}"
    return Mail(parse_server(url), RECIPIENT, **kind).send(MESSAGE)  # type: ignore[arg-type]


def test_a_mail_arrives_as_it_was_meant() -> None:
    with mail_server(Mailbox()) as box:
        assert send(box, more="?from=alerts%40example.org") == DELIVERED
    [mail] = box.mails
    assert mail["From"] == "alerts@example.org"
    assert mail["To"] == RECIPIENT
    assert mail["Subject"] == "[critical] Deploy failed"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail.get_content().splitlines() == [*MESSAGE.text.split("\n"), "", "https://x/1"]
    assert "MAIL FROM:<alerts@example.org>" in " ".join(box.commands).replace(
        "mail FROM", "MAIL FROM"
    )


def test_starttls_is_used_where_it_is_offered(certificate: Certificate) -> None:
    box = Mailbox(tls=certificate.server_context(), user="me", password=PASSWORD)
    with mail_server(box):
        outcome = send(box, login=f"me:{PERCENT}@", context=certificate.trusting_context())
    assert outcome == DELIVERED
    assert box.encrypted == [True]


def test_tls_from_the_first_byte(certificate: Certificate) -> None:
    box = Mailbox(tls=certificate.server_context(), implicit=True, user="me", password=PASSWORD)
    with mail_server(box):
        outcome = send(
            box, scheme="smtps", login=f"me:{PERCENT}@", context=certificate.trusting_context()
        )
    assert outcome == DELIVERED
    assert box.encrypted == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: Certificate, scheme: str
) -> None:
    box = Mailbox(
        tls=certificate.server_context(), implicit=scheme == "smtps", user="me", password=PASSWORD
    )
    with mail_server(box):
        outcome = send(box, scheme=scheme, login=f"me:{PERCENT}@")
    assert outcome == Outcome("dead", "the server's certificate can not be verified")
    assert not [command for command in box.commands if command.startswith("AUTH")]


def test_nothing_is_said_to_a_server_elsewhere_that_does_not_encrypt() -> None:
    with mail_server(Mailbox(user="me", password=PASSWORD)) as box:
        server = Server("127.0.0.1", box.port, implicit=False, plain=False, user="me", password="p")
        outcome = Mail(server, RECIPIENT).send(MESSAGE)
    assert outcome.state == "dead"
    assert "no STARTTLS" in outcome.reason
    assert [command.split()[0] for command in box.commands] == ["ehlo", "QUIT"]


def test_a_wrong_password_is_dead_and_never_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with mail_server(Mailbox(user="me", password="other")) as box:
        outcome = send(box, login=f"me:{PERCENT}@")
    assert outcome == Outcome("dead", "user name or password was refused: 535")
    assert "s3cret" not in caplog.text


def test_a_server_without_login_is_told_apart() -> None:
    with mail_server(Mailbox()) as box:
        outcome = send(box, login="me:pw@")
    assert outcome == Outcome("dead", "the server offers no login, but SMTP_URL has a user")


@pytest.mark.parametrize(
    ("word", "answer", "outcome"),
    [
        ("CONNECT", "421 busy", Outcome("retry", "the server refused: 421 busy")),
        ("CONNECT", "554 go away", Outcome("dead", "the server refused: 554 go away")),
        ("CONNECT", CUT, Outcome("retry", "the connection failed (SMTPServerDisconnected)")),
        ("EHLO", CUT, Outcome("retry", "the connection failed (SMTPServerDisconnected)")),
        ("MAIL", "451 later", Outcome("retry", "the server refused: 451 later")),
        ("MAIL", "550 unknown", Outcome("dead", "the server refused: 550 unknown")),
        ("RCPT", "450 greylisted", Outcome("retry", "the recipient was refused: 450 greylisted")),
        ("RCPT", "550 nobody", Outcome("retry", "the recipient was refused: 550 nobody")),
        ("DATA", "452 full", Outcome("retry", "the server refused: 452 full")),
        ("BODY", "554 spam", Outcome("dead", "the server refused: 554 spam")),
        ("BODY", CUT, Outcome("retry", "the connection failed (SMTPServerDisconnected)")),
        ("BODY", "nonsense", Outcome("retry", "the server refused: -1 ense")),
    ],
)
def test_what_a_refusal_means(word: str, answer: str, outcome: Outcome) -> None:
    with mail_server(Mailbox(answers={word: answer})) as box:
        assert send(box) == outcome
    assert box.raw == []


@pytest.mark.parametrize("word", ["CONNECT", "EHLO", "RCPT"])
def test_silence_ends_at_the_deadline(word: str) -> None:
    with mail_server(Mailbox(answers={word: HANG})) as box:
        outcome = send(box, timeout_seconds=0.2)
    assert outcome == Outcome("retry", "no answer within 0.2 s")


def test_nobody_listening_may_be_tried_again() -> None:
    with mail_server(Mailbox()) as box:
        pass
    assert send(box) == Outcome("retry", "the connection failed (ConnectionRefusedError)")


def test_the_same_message_has_the_same_id_and_its_key_makes_a_thread() -> None:
    other = Message("critical", "Deploy failed", "", MESSAGE.key)
    first, again, second = (compose(one, "a@b.c", RECIPIENT) for one in (MESSAGE, MESSAGE, other))
    assert first["Message-ID"] == again["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.none() | ANY_TEXT)
def test_no_text_begins_a_header_or_a_body(
    title: str, text: str, key: str, link: str | None
) -> None:
    mail = compose(Message("info", title, text, key, link), "a@b.c", RECIPIENT)
    head, _, _ = mail.as_bytes().partition(b"\r\n\r\n")
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    assert [line.split(b":")[0] for line in unfolded] == [
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"References", b"Auto-Submitted"),
        *(b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"),
    ]
    assert mail["To"] == RECIPIENT


def test_a_title_with_a_header_in_it_is_one_subject() -> None:
    with mail_server(Mailbox()) as box:
        evil = Message("info", "x\r\nBcc: all@company.com\r\n\r\nbody", "text", "k")
        assert Mail(parse_server(f"smtp://127.0.0.1:{box.port}"), RECIPIENT).send(evil).delivered
    [mail] = box.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[info] x Bcc: all@company.com body"
    assert sum(command.upper().startswith("RCPT") for command in box.commands) == 1


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server("mail.example", 587, False, False)),
        ("smtps://mail.example", Server("mail.example", 465, True, False)),
        (
            "smtp://me%40x.org:p%3Aw@mail.example:25",
            Server("mail.example", 25, False, False, "me@x.org", "p:w", "me@x.org"),
        ),
        ("smtp://127.0.0.1:1025", Server("127.0.0.1", 1025, False, True)),
        ("smtp://relay:25?tls=none", Server("relay", 25, False, True)),
        ("smtp://h?from=a%40b.c", Server("h", 587, False, False, sender="a@b.c")),
    ],
)
def test_what_a_url_means(url: str, server: Server) -> None:
    assert parse_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.s3cret.example",
        "http://me:s3cret@mail.example",
        "smtp://me:s3cret@",
        "smtp://me:s3cret@mail.example:port",
        "smtp://me:s3cret@mail.example/path",
        "smtp://me:s3cret@mail.example?tls=none",
        "smtps://mail.example?tls=none&from=s3cret%40x.y",
        "smtp://mail.example?tls=s3cret",
        "smtp://mail.example?s3cret=1",
        "smtp://me:s3cret@mail.example?from=a%0d%0aBcc:%20b%40c.d",
        "smtp://[s3cret",
        "smtp://me:s3cret@mail..example",
        "smtp://me:s3cret@mäil.example",
    ],
)
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_URL") as caught:
        parse_server(url)
    assert "s3cret" not in str(caught.value)


def test_no_password_is_shown() -> None:
    server = parse_server("smtp://me:s3cret@mail.example")
    assert "s3cret" not in repr(server) + repr(Mail(server, RECIPIENT))


@given(st.text())
def test_an_address_holds_nothing_that_could_begin_another_header(text: str) -> None:
    if is_address(text):
        assert not set(text) & set("\r\n ,;<>") and text.count("@") == 1


@pytest.mark.parametrize(
    "text", ["", "a", "@b.c", "a@", "a@b", "a@@b.c", "a b@c.d", "a@b.c,d@e.f", "a\n@b.c", "ö@b.c"]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)
