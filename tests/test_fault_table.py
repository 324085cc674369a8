"""The table of figures after a run of the injections, and the proxy that some of them need."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fault_proxy import Proxy, proxied
from tests.fault_table import FAULTS, KEY, table
from tests.waiting import wait_until


def report(name: str, *figures: str, outcome: str = "passed", when: str = "call") -> Any:
    return SimpleNamespace(
        nodeid=f"tests/x.py::{name}",
        outcome=outcome,
        when=when,
        longrepr=("x.py", 1, "Skipped: no disk") if outcome == "skipped" else None,
        user_properties=[[KEY, figure] for figure in figures],
    )


def test_there_are_25() -> None:
    assert sorted(FAULTS) == list(range(1, 26))


def test_an_injection_is_shown_when_each_of_its_tests_passed() -> None:
    lines = table(
        [
            report("test_fault_02_a_read", "read 200"),
            report("test_fault_02_a_write", "write 503"),
            report("test_fault_03_x", "0.5 s"),
            report("test_fault_03_y", outcome="failed"),
            report("test_fault_08_x", outcome="skipped", when="setup"),
            report("test_fault_09_x", when="setup"),
            report("test_else", "more"),
        ]
    )
    assert [line[:3].strip() for line in lines[:3]] == ["2", "3", "8"]
    assert lines[0].endswith("a write is 503: read 200; write 503")
    assert lines[1].endswith(": NOT SHOWN: 0.5 s")
    assert lines[2].endswith(": NOT SHOWN: skipped: no disk")
    assert lines[3:] == ["1 of 25"]
    assert table([report("test_else")]) == []


@pytest.fixture
def echo() -> Iterator[Proxy]:
    """A proxy before a server that says back what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                while piece := line.recv(1 << 16):
                    line.sendall(piece)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with proxied(lambda: socket.create_connection(listener.getsockname())) as proxy:
        yield proxy
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(1 << 16)


def test_the_proxy_passes_on_hangs_cuts_drops_and_refuses(echo: Proxy) -> None:
    place = ("127.0.0.1", echo.port)
    with socket.create_connection(place, timeout=30) as client:
        assert said(client, b"one") == b"one"
        echo.hang = True
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            said(client, b"two")
        client.settimeout(30)
        echo.hang = False
        assert client.recv(1 << 16) == b"two"
        echo.cut_after = 2
        assert said(client, b"three") == b"th"
        assert client.recv(1) == b""
    with socket.create_connection(place, timeout=30) as client:
        assert said(client, b"four") == b"four"
        echo.drop()
        assert client.recv(1) == b""
    echo.refuse = True
    with socket.create_connection(place, timeout=30) as client:
        assert client.recv(1) == b""
    echo.refuse = False
    with socket.create_connection(place, timeout=30) as client:
        wait_until(lambda: said(client, b"five") == b"five", "it passes on again")
