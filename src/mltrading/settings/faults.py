"""Gathers what is wrong with the settings, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mltrading.errors import ConfigurationError, WrongSettings

Value = TypeVar("Value")
Given = ParamSpec("Given")


class Faults:
    """What was found so far, in the order in which it was looked at."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def add(self, *said: str) -> None:
        self._said += said

    def tried(
        self,
        instead: Value,
        read: Callable[Given, Value],
        *given: Given.args,
        **named: Given.kwargs,
    ) -> Value:
        """What `read` gives; where that is a fault it is kept, and `instead` lets the rest be
        looked at."""
        try:
            return read(*given, **named)
        except ConfigurationError as error:
            self._said.append(str(error))
            return instead

    def refuse(self) -> None:
        """WrongSettings where there is a fault."""
        if self._said:
            raise WrongSettings(self._said)
