"""E-mail over the server that SMTP_URL names."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from mltrading.adapters.channels.http import LOOPBACK, is_host
from mltrading.errors import ConfigurationError
from mltrading.utils.message import DELIVERED, Message, Outcome, shorten
from mltrading.utils.text import is_address, one_line

TIMEOUT_SECONDS = 10.0  # of each step of the conversation; greylisting servers are slow
LONGEST_SUBJECT = 200
LONGEST_TEXT = 100_000
PORTS = {"smtp": 587, "smtps": 465}
FORM = "SMTP_URL must be smtp://user:password@host:587 or smtps://user:password@host:465"


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server as SMTP_URL describes it. `implicit`: TLS from the first byte; `plain`: no
    TLS is needed (else STARTTLS is, and nothing is said to a server that does not offer it)."""

    host: str
    port: int
    implicit: bool
    plain: bool
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""


def parse_server(url: str) -> Server:
    """The server of `smtp://` (STARTTLS) or `smtps://`; `?from=` is the sender's address, and
    `?tls=none` gives up encryption, which no password may be sent without (but to this machine).

    ConfigurationError says what is wrong and shows nothing of the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(FORM) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = parts.hostname or ""
    if parts.scheme not in PORTS or not is_host(host) or parts.path.strip("/"):
        raise ConfigurationError(FORM)
    if options.keys() - {"from", "tls"} or options.get("tls", "none") != "none":
        raise ConfigurationError(f"{FORM}; known options: from=ADDRESS and tls=none")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    local, unencrypted = host in LOOPBACK, "tls" in options
    if unencrypted and (parts.scheme == "smtps" or (password and not local)):
        raise ConfigurationError("SMTP_URL: tls=none is for smtp:// without a password")
    sender = options.get("from") or (user if "@" in user else "")
    if sender and not is_address(sender):
        raise ConfigurationError("SMTP_URL: from must be one e-mail address")
    return Server(
        host=host,
        port=port or PORTS[parts.scheme],
        implicit=parts.scheme == "smtps",
        plain=unencrypted or local,
        user=user,
        password=password,
        sender=sender,
    )


class Mail:
    """Sends to one address."""

    def __init__(
        self,
        server: Server,
        recipient: str,
        *,
        context: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = f"email {recipient}"
        self._server = server
        self._recipient = recipient
        self._context = context or ssl.create_default_context()
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"Mail({self._recipient!r})"

    def send(self, message: Message) -> Outcome:
        """One conversation with the server; a 4xx answer and a broken connection may be tried
        again, so may one that refuses the recipient; any other 5xx answer may not."""
        try:
            with self._connected() as smtp:
                if not self._encrypted(smtp):
                    return Outcome("dead", "the server offers no STARTTLS; see tls=none")
                if self._server.user:
                    smtp.login(self._server.user, self._server.password)
                smtp.send_message(compose(message, self._sender(), self._recipient))
        except (smtplib.SMTPException, OSError) as error:
            return explain(error, self._timeout_seconds)
        return DELIVERED

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.implicit:
            return smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._timeout_seconds, context=self._context
            )
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout_seconds)

    def _encrypted(self, smtp: smtplib.SMTP) -> bool:
        """Whether the conversation may go on."""
        if self._server.implicit:
            return True
        smtp.ehlo()
        if not smtp.has_extn("starttls"):
            return self._server.plain
        smtp.starttls(context=self._context)
        return True

    def _sender(self) -> str:
        return self._server.sender or f"mltrading@{self._recipient.rpartition('@')[2]}"


def compose(message: Message, sender: str, recipient: str) -> EmailMessage:
    """The mail; messages of one key make one thread."""
    domain = sender.rpartition("@")[2]
    state = "resolved" if message.resolved else message.severity
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = f"[{state}] {shorten(message.title, LONGEST_SUBJECT)}"
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{sha256(message.id.encode()).hexdigest()[:32]}@{domain}>"
    mail["References"] = f"<{sha256(message.key.encode()).hexdigest()[:32]}.thread@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # so that nobody's absence note answers
    link = f"\n\n{message.link}" if message.link else ""
    mail.set_content(shorten(message.text, LONGEST_TEXT) + link)
    return mail


def explain(error: Exception, timeout_seconds: float) -> Outcome:
    """The outcome of a conversation that broke off."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # For good or not: a mailbox may be full, or its server not know it yet, and alerts keep.
        code, said = next(iter(error.recipients.values()))
        return replace(_judged(code, "the recipient was refused", said), state="retry")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # What the server says to a failed login may repeat what was sent.
        return _judged(error.smtp_code, "user name or password was refused", b"")
    if isinstance(error, smtplib.SMTPResponseException):
        return _judged(error.smtp_code, "the server refused", error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome("dead", "the server's certificate can not be verified")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Outcome("dead", "the server offers no login, but SMTP_URL has a user")
    # smtplib makes a lost connection of a silent one, and keeps the cause as context.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return Outcome("retry", f"no answer within {timeout_seconds:g} s")
    return Outcome("retry", f"the connection failed ({type(error).__name__})")


def _judged(code: int, what: str, said: bytes | str) -> Outcome:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    words = shorten(one_line(words), 200)
    reason = f"{what}: {code} {words}".rstrip()
    return Outcome("retry" if 400 <= code < 500 or code < 0 else "dead", reason)
