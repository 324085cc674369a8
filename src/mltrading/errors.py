"""Every error a user can meet. The message carries the fact and the way out, in one line."""

from __future__ import annotations

from collections.abc import Sequence


class MLTradingError(Exception):
    """Base of all errors that are shown to a user as one line, without a traceback."""


class ConfigurationError(MLTradingError):
    """A setting is missing, unknown or wrong; the start stops."""


class WrongSettings(ConfigurationError):
    """What is wrong with the settings, all of it; `faults` has each by itself."""

    def __init__(self, faults: Sequence[str]) -> None:
        numbered = " ".join(f"({number}) {fault}" for number, fault in enumerate(faults, 1))
        alone = len(faults) == 1
        super().__init__(faults[0] if alone else f"{len(faults)} settings are wrong: {numbered}")
        self.faults = tuple(faults)


class DatabaseUnavailable(MLTradingError):
    """The database can not be reached or went away; trying again later may help."""


class DatabaseBusy(DatabaseUnavailable):
    """As many as may use the database at once do so; it may be well."""


class DatabaseReadOnly(DatabaseUnavailable):
    """The database answers and takes no changes: a standby, or one that was set to that."""


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full; what is stored can be read."""


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


class InvalidSilence(MLTradingError):
    """A silence that nobody may set: what it matches, how long it lasts, or why."""


class InvalidAlert(MLTradingError):
    """An alert that a trader can not have: its condition, how often it tells, or one too many."""


class SignInRefused(MLTradingError):
    """E-mail, password or provider open no session; it does not say which of them is wrong."""


class CodeNeeded(MLTradingError):
    """The password was right; the code of the second factor is missing, wrong or was used."""


class TooManyAttempts(MLTradingError):
    """Tried too often; `seconds` until the next attempt may count."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class WrongPassword(MLTradingError):
    """The password that should confirm the act is not the user's; the session stays."""


class InvalidPassword(MLTradingError):
    """A new password is too short, too long or too easy to guess."""


class InvalidAccount(MLTradingError):
    """What was asked of an account can not be: a wrong address, a wrong code, no such factor."""


class UnknownUser(MLTradingError):
    """No account of that name is known."""


class UnknownLink(MLTradingError):
    """A one-time link was used, is too old, or never was."""


class LastAdministrator(MLTradingError):
    """Nobody could administrate the deployment afterwards."""


class ProviderUnavailable(MLTradingError):
    """The OpenID provider does not answer, or not as one; trying again later may help."""
