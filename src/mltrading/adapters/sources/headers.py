"""Which column is which: the names that exports give them, and layouts without a header line."""

from __future__ import annotations

import re

PRICES = ("open", "high", "low", "close")
DETAILS = ("name", "exchange", "sector", "industry", "currency")

# Best alias first: a file with both `timestamp` and `date` is read by the more precise one.
_STAMPS = (
    *("timestamp", "datetime", "opentime", "unix", "unixtime", "unixtimestamp", "epoch", "ts", "t"),
    *("gmttime", "localtime", "starttime", "bartime", "indexlevel0"),
)
_DATES = ("date", "dtyyyymmdd", "day", "tradedate", "tradingdate", "d")
_TIMES = ("time", "hour", "tradetime")
_OTHERS: dict[str, tuple[str, ...]] = {
    "open": ("open", "o", "openprice", "first"),
    "high": ("high", "h", "highprice", "max"),
    "low": ("low", "l", "lowprice", "min"),
    "close": ("close", "c", "closeprice", "closelast", "last", "price"),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted", "adjcloseprice"),
    "volume": ("volume", "v", "vol", "volumeshares", "totalvolume", "tickvolume", "tickvol"),
    "symbol": ("symbol", "ticker", "code", "instrument", "secid", "asset"),
    "name": ("name", "companyname", "company", "security", "longname"),
    "exchange": ("exchange", "market", "mic"),
    "sector": ("sector", "gicssector"),
    "industry": ("industry", "subindustry", "gicssubindustry"),
    "currency": ("currency", "ccy"),
}

_NUMBER = r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?"
_BINANCE = ("timestamp", *PRICES, "volume")  # then close time, quote volume, trades, taker, ignore


def plain(name: str) -> str:
    """A header reduced to what identifies it: `<OPEN>`, `1. open` and ` Open ` are all `open`."""
    name = re.sub(r"^\s*\d+[.:]\s+", "", name)
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def roles(names: list[str]) -> dict[str, int]:
    """Role -> position for the columns we know. `date` and `time` are apart only where a file has
    both; one column that holds the whole stamp is `timestamp`."""
    places: dict[str, int] = {}
    for position, name in enumerate(names):
        places.setdefault(plain(name), position)
    found = {role: at for role, aliases in _OTHERS.items() if (at := _first(places, aliases)) >= 0}
    if "volume" not in found:  # "Volume BTC", "Volume USDT": the first is in units of the asset
        found |= {"volume": at for key, at in reversed(places.items()) if key.startswith("volume")}
    stamp, date, time = (_first(places, aliases) for aliases in (_STAMPS, _DATES, _TIMES))
    if stamp >= 0 or date < 0 or time < 0:
        whole = next((at for at in (stamp, date, time) if at >= 0), -1)
        return found | ({"timestamp": whole} if whole >= 0 else {})
    return found | {"date": date, "time": time}


def missing(found: dict[str, int]) -> list[str]:
    """The columns without which there is no bar."""
    time = [] if "timestamp" in found or "date" in found else ["date or timestamp"]
    return time + [name for name in PRICES if name not in found]


def headerless(fields: list[str]) -> dict[str, int] | None:
    """Roles of a first line that already is data, or None where its layout is not known:
    Binance klines (12 columns); stamp,o,h,l,c[,v]; date,time,o,h,l,c[,v] (MetaTrader)."""
    numeric = [bool(re.fullmatch(_NUMBER, field.strip())) for field in fields]
    if len(fields) == 12 and all(numeric):
        return {role: at for at, role in enumerate(_BINANCE)}
    if not fields or not fields[0][:1].isdigit():
        return None
    if len(fields) in (5, 6) and all(numeric[1:]):
        return {role: at for at, role in enumerate(_BINANCE[: len(fields)])}
    if len(fields) in (6, 7) and ":" in fields[1] and all(numeric[2:]):
        layout = ("date", "time", *PRICES, "volume")[: len(fields)]
        return {role: at for at, role in enumerate(layout)}
    return None


def _first(places: dict[str, int], aliases: tuple[str, ...]) -> int:
    return next((places[alias] for alias in aliases if alias in places), -1)
