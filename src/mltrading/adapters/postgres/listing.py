"""Lists a symbol: locks its row for the transaction, and creates it with defaults where new."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from psycopg2.extensions import cursor as Cursor

from mltrading.errors import Conflict, ImportFailed
from mltrading.services.ports import SymbolDetails

UNCLASSIFIED = "Unclassified"

_LOCK = (
    """SELECT id, timezone, calendar, simulated FROM symbols WHERE code = %s FOR NO KEY UPDATE"""
)
_CREATE = """INSERT INTO symbols
        (code, name, exchange, calendar, timezone, sector, industry, currency, simulated)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (code) DO NOTHING"""
# What an earlier import did not know, a later one may tell; what is known stays.
_COMPLETE = """UPDATE symbols SET
        name = CASE WHEN name = code AND %(name)s <> '' THEN %(name)s ELSE name END,
        exchange = CASE WHEN exchange = '' THEN %(exchange)s ELSE exchange END,
        currency = CASE WHEN currency = '' THEN %(currency)s ELSE currency END,
        sector = CASE WHEN sector = %(none)s AND %(sector)s <> '' THEN %(sector)s ELSE sector END,
        industry = CASE WHEN industry = %(none)s AND %(industry)s <> '' THEN %(industry)s
            ELSE industry END
    WHERE id = %(id)s AND (
        (name = code AND %(name)s NOT IN ('', code)) OR (exchange = '' AND %(exchange)s <> '')
        OR (currency = '' AND %(currency)s <> '') OR (sector = %(none)s AND %(sector)s <> '')
        OR (industry = %(none)s AND %(industry)s <> ''))"""


@dataclass(frozen=True, slots=True)
class Market:
    """What follows from an exchange: its calendar (of exchange_calendars), clock and currency."""

    calendar: str
    timezone: str
    currency: str


MARKETS = {
    "NYSE": Market("XNYS", "America/New_York", "USD"),
    "NASDAQ": Market("XNYS", "America/New_York", "USD"),
    "AMEX": Market("XNYS", "America/New_York", "USD"),
    "TSX": Market("XTSE", "America/Toronto", "CAD"),
    "LSE": Market("XLON", "Europe/London", "GBP"),
    "XETRA": Market("XETR", "Europe/Berlin", "EUR"),
    "EURONEXT": Market("XPAR", "Europe/Paris", "EUR"),
    "NSE": Market("XBOM", "Asia/Kolkata", "INR"),
    "BSE": Market("XBOM", "Asia/Kolkata", "INR"),
    "TSE": Market("XTKS", "Asia/Tokyo", "JPY"),
    "HKEX": Market("XHKG", "Asia/Hong_Kong", "HKD"),
    "ASX": Market("XASX", "Australia/Sydney", "AUD"),
}
_ROUND_THE_CLOCK = Market("24/7", "UTC", "")
_UNKNOWN = Market("XNYS", "America/New_York", "")


@dataclass(frozen=True, slots=True)
class Listed:
    """A symbol whose row this transaction holds."""

    id: int
    timezone: str
    calendar: str


def list_symbol(cursor: Cursor, details: SymbolDetails) -> Listed:
    """Lock the symbol, created where it is new; a stored calendar and time zone always stay, for
    the rollups were cut by them.

    ImportFailed where real and simulated bars would mix, or the time zone is unknown.
    """
    for _ in range(2):
        cursor.execute(_LOCK, (details.code,))
        for symbol_id, timezone, calendar, simulated in cursor.fetchall():
            _refuse_mixture(details, simulated)
            _complete(cursor, symbol_id, details)
            return Listed(symbol_id, timezone, calendar)
        cursor.execute(_CREATE, _new_row(details))
    raise Conflict("another import removed the symbol: import again")


def _new_row(details: SymbolDetails) -> tuple[object, ...]:
    market = _market(details)
    timezone = details.timezone or market.timezone
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # unknown, not a name, a folder of names
        raise ImportFailed(
            f"unknown time zone {timezone!r} of {details.code!r}; use a name like America/New_York"
        ) from None
    return (
        details.code,
        details.name or details.code,
        details.exchange,
        details.calendar or market.calendar,
        timezone,
        details.sector or UNCLASSIFIED,
        details.industry or UNCLASSIFIED,
        details.currency or market.currency,
        details.simulated,
    )


def _market(details: SymbolDetails) -> Market:
    """By exchange, else by calendar, else by clock; else New York's hours, of no known currency."""
    if details.exchange.upper() in MARKETS:
        return MARKETS[details.exchange.upper()]
    for market in MARKETS.values():
        if details.calendar == market.calendar:
            return market
    if details.timezone in ("UTC", "Etc/UTC") or details.calendar == "24/7":
        return _ROUND_THE_CLOCK
    for market in MARKETS.values():
        if details.timezone == market.timezone:
            return Market(market.calendar, market.timezone, "")
    return _UNKNOWN


def _refuse_mixture(details: SymbolDetails, simulated: bool) -> None:
    if details.simulated != simulated:
        held, offered = ("simulated", "real") if simulated else ("real", "simulated")
        raise ImportFailed(
            f"{details.code!r} holds {held} bars and {offered} ones would mix with them; import"
            " under another --symbol"
        )


def _complete(cursor: Cursor, symbol_id: int, details: SymbolDetails) -> None:
    told = {name: getattr(details, name) for name in ("name", "exchange", "sector", "industry")}
    currency = details.currency or (_market(details).currency if details.exchange else "")
    values = {**told, "currency": currency, "id": symbol_id, "none": UNCLASSIFIED}
    cursor.execute(_COMPLETE, values)
