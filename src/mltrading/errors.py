"""Every error a user can meet. The message carries the fact and the way out, in one line."""

from __future__ import annotations


class MLTradingError(Exception):
    """Base of all errors that are shown to a user as one line, without a traceback."""


class ConfigurationError(MLTradingError):
    """A setting is missing, unknown or wrong; the start stops."""


class DatabaseUnavailable(MLTradingError):
    """The database can not be reached or went away; trying again later may help."""


class UnknownSymbol(MLTradingError):
    """No symbol of that code is stored (or may be seen); `nearest` is the code most like it, ""
    where none is."""

    def __init__(self, fact: str, way_out: str = "", nearest: str = "") -> None:
        super().__init__(f"{fact}; {way_out}" if way_out else fact)
        self.fact, self.way_out, self.nearest = fact, way_out, nearest


class NothingStored(UnknownSymbol):
    """There is no symbol at all."""


class NothingShared(UnknownSymbol):
    """There is no symbol that the actor may see."""


class InvalidView(MLTradingError):
    """A view (URL, control) asks for something that does not exist."""


class ImportFailed(MLTradingError):
    """A file can not be imported at all; nothing of it was stored."""


class Forbidden(MLTradingError):
    """The actor lacks the permission that the verb needs."""


class Conflict(MLTradingError):
    """Another writer was in the way and nothing was stored; the same call again may succeed."""
