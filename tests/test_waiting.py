"""The tests' own clockwork: one slow try is the machine's, every slow try is ours."""

from __future__ import annotations

import socket
import time
from unittest.mock import Mock

import pytest

from tests.waiting import held_port, within


def test_one_slow_try_is_forgiven_and_every_slow_try_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Mock(side_effect=[0, 5, 5, 6])
    monkeypatch.setattr(time, "monotonic", clock)
    assert within(2, lambda: "answer") == "answer"
    monkeypatch.setattr(time, "monotonic", Mock(side_effect=[0, 2, 2, 5, 5, 9]))
    with pytest.raises(AssertionError, match="took 2.00 s at best in 3 tries, 2 s are allowed"):
        within(2, lambda: "answer")


def test_a_held_port_can_be_listened_on_and_is_given_to_nobody_else() -> None:
    with held_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        with socket.create_server(("127.0.0.1", port)):  # which allows for a port in use
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
