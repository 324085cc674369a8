"""`monitor_performance`: how often something is called, how long it takes, and how it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import ParamSpec, TypeVar

from mltrading.errors import DatabaseUnavailable, Forbidden, MLTradingError
from mltrading.utils import measures, tracing
from mltrading.utils.context import current
from mltrading.utils.measures import TALLY

SLOW_SECONDS = 1.0

Params = ParamSpec("Params")
Result = TypeVar("Result")
Service = TypeVar("Service")

log = logging.getLogger(__name__)


def monitor_performance(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Measure every call of a service's verb, under the name "market.chart" for Market.chart: how
    often and how it ended, how long, a span of the trace, and a line of the log when it took
    SLOW_SECONDS or more."""
    return _measured(function, _name(function))


def monitor_verbs(service: str) -> Callable[[type[Service]], type[Service]]:
    """For a whole class: each public method of its own is monitored, as "service.method"."""

    def decorate(kind: type[Service]) -> type[Service]:
        for name, function in list(vars(kind).items()):
            if isfunction(function) and not name.startswith("_"):
                setattr(kind, name, _measured(function, f"{service}.{name}"))
        return kind

    return decorate


def _measured(function: Callable[Params, Result], name: str) -> Callable[Params, Result]:
    @wraps(function)
    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        outcome, started = "ok", time.perf_counter()
        try:
            with tracing.span("service", name):
                return function(*args, **kwargs)
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            lasted = time.perf_counter() - started
            TALLY.observe(lasted, measures.SERVICE_SECONDS, name)
            TALLY.add(measures.SERVICE_CALLS, name, outcome)
            _say(name, lasted, outcome)

    return wrapper


def monitor_callback(function: Callable[Params, Result], name: str) -> Callable[Params, Result]:
    """The same for a callback. Its own errors end before they get here, in dashboard/edge.py, which
    notes them with the request."""

    @wraps(function)
    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        work = current()
        if work is not None:
            work.callback = name
        outcome, started = "ok", time.perf_counter()
        try:
            with tracing.span("callback", name):
                return function(*args, **kwargs)
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            lasted = time.perf_counter() - started
            outcome = work.failure or outcome if work is not None else outcome
            TALLY.observe(lasted, measures.CALLBACK_SECONDS, name)
            TALLY.add(measures.CALLBACKS, name, outcome)
            _say(name, lasted, outcome)

    return wrapper


def outcome_of(error: BaseException) -> str:
    """How a call ended that raised: `refused` is the caller's doing, `unchanged` no failure."""
    if isinstance(error, DatabaseUnavailable):
        return "outage"
    if isinstance(error, Forbidden):
        return "forbidden"
    if isinstance(error, MLTradingError):
        return "refused"
    return "unchanged" if type(error).__name__ == "PreventUpdate" else "error"


def _say(name: str, seconds: float, outcome: str) -> None:
    if seconds >= SLOW_SECONDS:
        log.warning("%s executed in %.2fs (%s)", name, seconds, outcome)
    elif log.isEnabledFor(logging.DEBUG):
        log.debug("%s executed in %.4fs (%s)", name, seconds, outcome)


def _name(function: Callable[..., object]) -> str:
    *_, owner, own = ("", *function.__qualname__.rpartition("<locals>.")[2].split("."))
    return f"{owner.lower()}.{own}" if owner else own
