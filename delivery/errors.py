"""What can go wrong with a delivery: one line each, with the fact and the way out."""

from __future__ import annotations


class DeliveryError(Exception):
    """Something a person has to look at; the command ends with exit code 1."""


class Refused(DeliveryError):
    """A rule forbids the deployment; nothing was changed."""


class PlatformError(DeliveryError):
    """A platform's API refused, broke off or stayed silent; `status` is its HTTP code, or None."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SmokeFailed(DeliveryError):
    """A deployed release does not do what it should."""
