"""The simulated exchange SIM: invented prices on real session times, the same on every machine.

Daily returns are a market, a sector and a company part with Student-t shocks; their volatility is
an autoregression, so calm and wild weeks cluster. The open is a gap from the last close; high and
low are drawn from the distribution of a Brownian bridge's extremes. Minute bars are such a bridge
laid through a day's open, high, low and close with a U-shaped volume, so that their rollup is the
daily bar exactly and a company may have minutes for any stretch.

Every draw is seeded by company (or sector, or market) and year, and taken day after day: a longer
span only appends.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mltrading.adapters.sources.companies import (
    COMPANIES,
    EXCHANGE,
    MINUTES_FOR_YEARS,
    SECTORS,
    Company,
)
from mltrading.domain.bars import DAY, MINUTE, Bars, Floats, Interval, Times
from mltrading.domain.calendar import Calendars
from mltrading.errors import ImportFailed
from mltrading.services.ports import Source, SymbolDetails

SOURCE = Source("simulated", EXCHANGE, "simulated: invented companies and prices")
CALENDAR = "XNYS"
ZONE = "America/New_York"
START = int(np.datetime64("2016-01-01", "us").astype(np.int64))
YEAR = 365 * DAY + DAY // 4
_SEED = 20_160_104
_DAYS = 262  # more sessions than any year has

_PERSISTENCE, _VOLATILITY_SHOCK = 0.97, 0.12  # of log volatility, a session
_MARKET, _SECTOR, _COMPANY = 0.007, 0.005, 0.011  # median daily volatility of each part
_DRIFT = 0.0003
_TAIL = 5.0  # degrees of freedom of the shocks
_GAP = 0.3  # share of a session's return that happens before the open


@dataclass(frozen=True, slots=True)
class Sessions:
    """Completed sessions: labels, and the instants of open and close."""

    labels: Times
    opens: Times
    closes: Times

    @property
    def years(self) -> Times:
        years: Times = self.labels.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
        return years

    def __getitem__(self, rows: slice | Times) -> Sessions:
        return Sessions(self.labels[rows], self.opens[rows], self.closes[rows])


def sessions(now: int, until: int | None = None) -> Sessions:
    """Sessions of the exchange that are over at `now` and not later than the day `until`."""
    calendar = Calendars().get(CALENDAR, now)
    assert calendar is not None, "exchange_calendars knows New York"
    last = now if until is None else min(now, until + DAY - 1)
    kept = (calendar.sessions >= START) & (calendar.closes <= now) & (calendar.sessions <= last)
    if not kept.any():
        raise ImportFailed("the simulated exchange opens on 2016-01-04; choose a later --until")
    return Sessions(calendar.sessions[kept], calendar.opens[kept], calendar.closes[kept])


def batches(days: Sessions) -> Iterator[tuple[SymbolDetails, Interval, Bars]]:
    """All bars of the exchange. Where a company has minutes, its daily bars are left to the
    rollup."""
    daily = daily_bars(days)
    for company, bars in zip(COMPANIES, daily, strict=True):
        years = MINUTES_FOR_YEARS.get(company.code, 0)
        first = int(np.searchsorted(days.labels, days.labels[-1] - years * YEAR + 1))
        first = first if years else len(days.labels)
        details = _details(company)
        if first:
            yield details, Interval.D1, bars[slice(0, first)]
        for year in np.unique(days.years[first:]):
            minutes = minute_bars(company, int(year), days, bars)
            yield details, Interval.M1, minutes[minutes.ts >= days.opens[first]]


def daily_bars(days: Sessions) -> list[Bars]:
    """Daily bars of every company, in the order of COMPANIES."""
    market, sectors, own = _draws(days)
    traits = np.random.default_rng(_SEED).uniform(size=(5, len(COMPANIES)))
    sector_of = np.array([SECTORS.index(company.sector) for company in COMPANIES])
    calm = _volatility(market[:, 0, 1], market[:, 0, 0])
    restless = _volatility(own[:, :, 1], own[:, :, 0])
    part = _COMPANY * (0.7 + 0.9 * traits[0]) * restless
    shocks = (
        (0.6 + 0.8 * traits[1]) * (_MARKET * calm * market[:, 0, 0])[:, None]
        + (_SECTOR * np.sqrt(calm))[:, None] * sectors[:, sector_of, 0]
        + part * own[:, :, 0]
    )
    spread = np.sqrt((_MARKET * calm)[:, None] ** 2 + _SECTOR**2 + part**2)
    start = 12 * np.exp(2.6 * traits[2])
    log_close = np.log(start) + np.cumsum(_DRIFT - spread**2 / 2 + shocks, axis=0)
    before = np.vstack([np.log(start), log_close[:-1]])
    log_open = before + _GAP * shocks + 0.25 * spread * own[:, :, 2]
    traded = 2e5 * np.exp(4 * traits[3]) * np.exp(0.4 * own[:, :, 3] + 0.35 * np.log(restless))
    traded *= 1 + 0.6 * np.abs(shocks) / spread
    return [
        _session_bars(days, at, log_open, log_close, spread, traded, own)
        for at in range(len(COMPANIES))
    ]


def minute_bars(company: Company, year: int, days: Sessions, daily: Bars) -> Bars:
    """One-minute bars of a company's sessions of a year, which roll up to its daily bars."""
    here = np.flatnonzero(days.years == year)
    rows, those = daily[here], days[here]
    lengths = ((those.closes - those.opens) // MINUTE).astype(int)
    rng = np.random.default_rng([_SEED, _number(company.code), year, 1])
    draws = rng.standard_normal((len(here), 390, 3))
    parts = []
    for length in np.unique(lengths):
        of_length = np.flatnonzero(lengths == length)
        parts.append(_lay_minutes(rows[of_length], those[of_length], draws[of_length, :length]))
    joined = Bars.concat(parts)
    return joined[np.argsort(joined.ts, kind="stable")]


def _lay_minutes(daily: Bars, days: Sessions, draws: Floats) -> Bars:
    """Bridges through the open, high, low and close of sessions of one length."""
    minutes = draws.shape[1]
    busy = _busyness(minutes)
    clock = np.cumsum(busy) / busy.sum()
    first, last = np.log(daily.open)[:, None], np.log(daily.close)[:, None]
    walk = np.cumsum(draws[:, :, 0] * np.sqrt(busy), axis=1) / np.sqrt(busy.sum())
    width = np.log(daily.high / daily.low)[:, None]
    path = first + (last - first) * clock + 0.6 * width * (walk - walk[:, -1:] * clock)
    path = _within(path, daily)
    tick = _tick(daily.close)[:, None]
    close = _rounded(np.exp(path), tick)
    close[:, -1] = daily.close
    opened = np.hstack([daily.open[:, None], close[:, :-1]])
    wick = np.abs(draws[:, :, 1:]) * 0.25 * width[:, :, None] / np.sqrt(minutes)
    high = _rounded(np.maximum(opened, close) * np.exp(wick[:, :, 0]), tick)
    low = _rounded(np.minimum(opened, close) * np.exp(-wick[:, :, 1]), tick)
    high, low = np.minimum(high, daily.high[:, None]), np.maximum(low, daily.low[:, None])
    row = np.arange(len(high))
    high[row, high.argmax(axis=1)] = daily.high
    low[row, low.argmin(axis=1)] = daily.low
    share = busy * np.exp(0.5 * draws[:, :, 2])
    volume = np.floor(daily.volume[:, None] * share / share.sum(axis=1, keepdims=True))
    volume[:, -1] += daily.volume - volume.sum(axis=1)
    stamps = days.opens[:, None] + np.arange(minutes) * MINUTE
    columns = [stamps, opened, high, low, close, close, volume, np.ones(opened.shape, bool)]
    return Bars(*(column.ravel() for column in columns))


def _within(path: Floats, daily: Bars) -> Floats:
    """The path with its excursions above and below open and close scaled into high and low."""
    top = np.log(np.maximum(daily.open, daily.close))[:, None]
    bottom = np.log(np.minimum(daily.open, daily.close))[:, None]
    above = np.maximum(path - top, 0)
    below = np.maximum(bottom - path, 0)
    room_up = np.log(daily.high)[:, None] - top
    room_down = bottom - np.log(daily.low)[:, None]
    up = room_up / np.maximum(above.max(axis=1, keepdims=True), 1e-12)
    down = room_down / np.maximum(below.max(axis=1, keepdims=True), 1e-12)
    within: Floats = np.clip(path, bottom, top)
    within += above * np.minimum(up, 1) - below * np.minimum(down, 1)
    return within


def _session_bars(
    days: Sessions,
    at: int,
    log_open: Floats,
    log_close: Floats,
    spread: Floats,
    traded: Floats,
    own: Floats,
) -> Bars:
    first, last, deviation = log_open[:, at], log_close[:, at], spread[:, at] * np.sqrt(1 - _GAP)
    move = last - first

    def reach(uniform: Floats) -> Floats:
        """How far a bridge from 0 to `move` climbs above 0."""
        top: Floats = (move + np.sqrt(move**2 - 2 * deviation**2 * np.log(uniform))) / 2
        return top

    up, down = _uniform(own[:, at, 4]), _uniform(own[:, at, 5])
    high = first + reach(up)
    low = first - (reach(down) - move)
    tick = _tick(np.exp(last))
    opened, high, low, close = (
        np.maximum(_rounded(np.exp(p), tick), 1 / tick) for p in (first, high, low, last)
    )
    volume = np.round(traded[:, at])
    return Bars(
        days.labels, opened, high, low, close, close, volume, np.ones(len(days.labels), bool)
    )


def _draws(days: Sessions) -> tuple[Floats, Floats, Floats]:
    """Shocks of market, sectors and companies: arrays of session x member x kind."""
    counts = [(int(year), int((days.years == year).sum())) for year in np.unique(days.years)]
    names = [company.code for company in COMPANIES]
    return (
        _members(["market"], counts, 2),
        _members(list(SECTORS), counts, 1),
        _members(names, counts, 6),
    )


def _members(names: list[str], counts: list[tuple[int, int]], kinds: int) -> Floats:
    """The first kind has fat tails and unit variance; the others are normal."""
    whole = []
    for name in names:
        years = []
        for year, count in counts:
            rng = np.random.default_rng([_SEED, _number(name), year])
            tails = rng.standard_t(_TAIL, _DAYS).clip(-8, 8) * np.sqrt((_TAIL - 2) / _TAIL)
            normal = rng.standard_normal((_DAYS, kinds - 1))
            years.append(np.column_stack([tails, normal])[:count])
        whole.append(np.concatenate(years))
    return np.stack(whole, axis=1)


def _volatility(shocks: Floats, returns: Floats) -> Floats:
    """exp of an autoregression of log volatility; falls excite it more than rises."""
    excited = 0.8 * shocks - 0.5 * np.clip(returns, -4, 4)
    log_volatility = np.zeros_like(excited)
    for day in range(1, len(excited)):
        log_volatility[day] = (
            _PERSISTENCE * log_volatility[day - 1] + _VOLATILITY_SHOCK * excited[day - 1]
        )
    volatility: Floats = np.exp(log_volatility)
    return volatility


def _busyness(minutes: int) -> Floats:
    """Relative activity over a session: high after the open, again before the close."""
    at = np.arange(minutes)
    busyness: Floats = 1 + 2.2 * np.exp(-at / 20) + 1.4 * np.exp(-(minutes - 1 - at) / 25)
    return busyness


def _uniform(normal: Floats) -> Floats:
    """Normal draws as uniform ones (logistic approximation, error below 0.01), never 0."""
    return np.asarray(1 / (1 + np.exp(-1.702 * normal)))


def _tick(price: Floats) -> Floats:
    return np.where(price >= 5, 100.0, 10_000.0)


def _rounded(price: Floats, per_unit: Floats) -> Floats:
    """To whole ticks, `per_unit` of which make one; the nearest float64 of that decimal."""
    rounded: Floats = np.rint(price * per_unit) / per_unit
    return rounded


def _number(name: str) -> int:
    return zlib.crc32(name.encode())


def _details(company: Company) -> SymbolDetails:
    return SymbolDetails(
        code=company.code,
        name=company.name,
        exchange=EXCHANGE,
        calendar=CALENDAR,
        timezone=ZONE,
        sector=company.sector,
        industry=company.industry,
        currency="USD",
        simulated=True,
    )
