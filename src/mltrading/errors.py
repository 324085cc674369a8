"""Every error a user can meet. The message carries the fact and the way out, in one line."""

from __future__ import annotations


class MLTradingError(Exception):
    """Base of all errors that are shown to a user as one line, without a traceback."""


class ConfigurationError(MLTradingError):
    """A setting is missing, unknown or wrong; the start stops."""


class DatabaseUnavailable(MLTradingError):
    """The database can not be reached or went away; trying again later may help."""


class UnknownSymbol(MLTradingError):
    """No symbol of that code is stored (or may be seen)."""


class InvalidView(MLTradingError):
    """A view (URL, control) asks for something that does not exist."""


class ImportFailed(MLTradingError):
    """A file can not be imported at all; nothing of it was stored."""


class Forbidden(MLTradingError):
    """The actor lacks the permission that the verb needs."""


class Conflict(MLTradingError):
    """Another writer was in the way and nothing was stored; the same call again may succeed."""


class InvalidSilence(MLTradingError):
    """A silence that nobody may set: what it matches, how long it lasts, or why."""


class UnknownUser(MLTradingError):
    """No account of that name is known."""


class LastAdministrator(MLTradingError):
    """Nobody could administrate the deployment afterwards."""
