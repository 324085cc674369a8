"""A mail server on this machine that answers as a test wrote down; and keeps what came."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from tests.listening import listening

CUT = "cut"  # instead of an answer: the connection ends
HANG = "hang"  # instead of an answer: silence


@dataclass
class Mailbox:
    """What the server is told to do, and what it got.

    `answers` maps a command (CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, BODY) to its answer, instead
    of the ordinary one. `tls`: offered by STARTTLS, or spoken from the first byte if `implicit`.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    user: str = ""
    password: str = ""
    port: int = 0
    commands: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(one, policy=default) for one in self.raw]  # type: ignore


class _Conversation:
    def __init__(self, box: Mailbox, line: socket.socket) -> None:
        self._box = box
        self._tls = box.implicit
        self._use(line)

    def _use(self, line: socket.socket) -> None:
        self._line = line
        self._reader = line.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._line.close()

    def run(self) -> None:
        going = self._answer("CONNECT", "220 test")
        while going and (text := self._reader.readline()):
            command = text.decode().strip()
            word = command.split(" ")[0].upper()
            self._box.commands.append(command)
            going = self._do(word, command)

    def _do(self, word: str, command: str) -> bool:
        if word == "EHLO":
            return self._answer(word, self._hello())
        if word == "STARTTLS":
            return self._start_tls()
        if word == "AUTH":
            return self._answer(word, self._judge_login(command))
        if word == "DATA":
            taking = self._answer(word, "354 go on") and word not in self._box.answers
            return self._take_body() if taking else self._box.answers[word] != CUT
        if word == "QUIT":
            self._say("221 bye")
            return False
        return self._answer(word, "250 ok")

    def _hello(self) -> str:
        offers = ["test", "8BITMIME"]
        if self._box.tls and not self._tls:
            offers.append("STARTTLS")
        if self._box.user:
            offers.append("AUTH PLAIN")
        return "\r\n".join(f"250-{one}" for one in offers) + "\r\n250 HELP"

    def _start_tls(self) -> bool:
        assert self._box.tls is not None
        self._say("220 go on")
        self._reader.close()
        self._use(self._box.tls.wrap_socket(self._line, server_side=True))
        self._tls = True
        return True

    def _judge_login(self, command: str) -> str:
        _, user, password = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        right = (user, password) == (self._box.user, self._box.password)
        return "235 welcome" if right else f"535 5.7.8 no such {user} {password}"

    def _take_body(self) -> bool:
        lines = []
        while (text := self._reader.readline()) not in (b".\r\n", b""):
            lines.append(text.removeprefix(b"."))
        if "BODY" not in self._box.answers:
            self._box.raw.append(b"".join(lines))
            self._box.encrypted.append(self._tls)
        return self._answer("BODY", "250 taken")

    def _answer(self, word: str, ordinary: str) -> bool:
        text = self._box.answers.get(word, ordinary)
        if text == HANG:
            self._box.stopping.wait(30)
        if text in (HANG, CUT):
            return False
        self._say(text)
        return True

    def _say(self, text: str) -> None:
        self._line.sendall(text.encode() + b"\r\n")


@contextmanager
def mail_server(box: Mailbox) -> Iterator[Mailbox]:
    """The server, until the block ends."""

    def converse(line: socket.socket) -> None:
        line.settimeout(20)
        if box.implicit:
            assert box.tls is not None
            line = box.tls.wrap_socket(line, server_side=True)
        conversation = _Conversation(box, line)
        try:
            conversation.run()
        finally:
            conversation.close()
            line.close()

    with listening(converse) as box.port:
        try:
            yield box
        finally:
            box.stopping.set()
