"""Who may reach a route or fire a callback: a permission, a session, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from mltrading.dashboard.actor import current_actor
from mltrading.domain.access import Permission

Params = ParamSpec("Params")
Result = TypeVar("Result")

_MARK = "_mltrading_right"


class Access(Enum):
    """What is asked of a visitor where no permission is."""

    PUBLIC = "everybody"
    SIGNED_IN = "whoever is signed in"


Right = Permission | Access


def guarded(
    right: Permission | Access,
) -> Callable[[Callable[Params, Result]], Callable[Params, Result]]:
    """Say who may fire a callback; stands under `@app.callback(...)`.

    The guard asks before the request is read any further. The right is asked for once more where
    the callback runs, so that no other way to it (Dash has several) goes past the guard.
    """

    def guard(function: Callable[Params, Result]) -> Callable[Params, Result]:
        @wraps(function)
        def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            actor = current_actor()
            if isinstance(right, Permission):
                actor.require(right)
            return function(*args, **kwargs)

        setattr(call, _MARK, right)
        return call

    return guard


def right_of(callback: Any) -> Right | None:
    """What `guarded` said of a callback; None where nobody did."""
    right = getattr(callback, _MARK, None)
    return right if isinstance(right, Permission | Access) else None
