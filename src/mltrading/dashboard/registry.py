"""What a page is. Every page of the dashboard is registered in this one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dash import Dash
from dash.development.base_component import Component

from mltrading.domain.access import Actor, Permission

if TYPE_CHECKING:
    from mltrading.services import Services


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the keyboard help: `press` as shown ("Ctrl K"), what it does, and the feature
    that it needs."""

    press: str
    does: str
    feature: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page that hangs in the frame.

    `layout(services, search)` returns the page at its final size, with skeletons where data will
    come; it must be cheap and reads no bars. `register(app, services)` adds the page's callbacks
    with `app.callback`. A page callback takes Input("address", "data") and raises PreventUpdate
    unless `address["path"]` is its own path. `icon` names a class of static/css/icons.css.
    `graphs` says whether it draws any, so that plotly.js is fetched along with the page.
    `feature`, where given, is the name of the flag of `services.features` that shows the page.
    `permission`, where given, is what an actor needs to see it, in the navigation too; the page's
    callbacks say so themselves (`guarded`). `signed_in`: only where users sign in is there such a
    page.
    """

    path: str
    name: str
    title: str
    icon: str
    layout: Callable[[Services, str], Component]
    register: Callable[[Dash, Services], None]
    in_nav: bool = True
    keys: tuple[Key, ...] = ()
    feature: str | None = None
    graphs: bool = True
    permission: Permission | None = None
    signed_in: bool = False

    def open_to(self, actor: Actor) -> bool:
        return self.permission is None or actor.may(self.permission)


def shown(pages: tuple[Page, ...], services: Services) -> tuple[Page, ...]:
    """The pages that this deployment's features allow; those of accounts where there are some."""
    signing = services.identity is not None
    return tuple(
        page for page in pages if on(page.feature, services) and (signing or not page.signed_in)
    )


def on(feature: str | None, services: Services) -> bool:
    """Whether this deployment has `feature`; None is what every deployment has."""
    return feature is None or bool(getattr(services.features, feature))


def find(pages: tuple[Page, ...], path: str) -> Page | None:
    """The page at exactly that path."""
    return next((page for page in pages if page.path == path), None)
