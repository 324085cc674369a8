"""The frame that every page hangs in: rail, top bar, toasts, keyboard help. Layout only; what
moves it is in routing.py and static/js."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import dcc, html
from dash.development.base_component import Component

from mltrading.dashboard import edge
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import aria, icon, visually_hidden
from mltrading.dashboard.registry import Key, Page, on
from mltrading.dashboard.user_menu import user_menu
from mltrading.utils.clock import microseconds

if TYPE_CHECKING:
    from mltrading.services import Services

RETRY_MILLISECONDS = 2_000
COMING_SESSIONS = 12  # the clock runs this far without the server: over two weeks
MAX_SEARCH = 64
CLOCK_CALENDAR, CLOCK_NAME, CLOCK_PLACE = "XNYS", "NYSE", "New York"

KEYS = (
    Key("Ctrl K", "Find a symbol; typing its letters does the same"),
    Key("↑ ↓", "Choose among the symbols found"),
    Key("Enter", "Open the chosen symbol, or the one of exactly that code"),
    Key("Alt Shift T", "Dark or light theme"),
    Key("?", "This help"),
    Key("Esc", "Close what is open"),
)


def layout(pages: tuple[Page, ...], services: Services, *, sign_in: bool = False) -> Component:
    """The whole document at start; the router fills `page`. The navigation shows what the actor
    has a right to; where nobody has to sign in, the frame says so."""
    actor, read_only = current_actor(), services.health.database().read_only
    mine = tuple(page for page in pages if page.in_nav and page.open_to(actor))
    banner = edge.banner(edge.READ_ONLY) if read_only else None
    return html.Div(
        [
            html.A("Skip to content", href="#page", className="skip-link"),
            *_stores(services),
            dcc.Interval(id="outage", interval=RETRY_MILLISECONDS, disabled=not read_only),
            _rail(mine),
            _top_bar(mine, [user_menu(actor) if sign_in else _nobody_signs_in()]),
            html.Div(
                [html.Div(banner, id="banner", role="alert"), html.Main(id="page", tabIndex="-1")],
                id="body",
            ),
            html.Div(id="toast", role="status", **aria(live="polite")),
            _help_dialog(pages, services),
        ],
        id="frame",
    )


def _stores(services: Services) -> list[Component]:
    """What travels between the browser, the router and the pages."""
    return [
        *(
            dcc.Store(id=name)
            for name in (
                "address",  # the browser's address: the Input of every page
                "goto",  # {href, n}: the server asks for navigation
                "title",
                "page-shown",
                "search-text",
                "search-enter",
                "search-found",
            )
        ),
        dcc.Store(id="market-hours", data=market_hours(services)),
        dcc.Store(id="compare-basket", storage_type="session"),
    ]


def market_hours(services: Services) -> dict[str, Any] | None:
    """The sessions from now on, for clock.js; None where the calendar is unknown."""
    now = microseconds(services.clock.now())
    calendar = services.calendars.get(CLOCK_CALENDAR, now)
    if calendar is None:
        return None
    first = int(calendar.closes.searchsorted(now, side="right"))
    coming = slice(first, first + COMING_SESSIONS)
    opens, closes = calendar.opens[coming] // 1_000_000, calendar.closes[coming] // 1_000_000
    return {
        "name": CLOCK_NAME,
        "place": CLOCK_PLACE,
        "timezone": calendar.timezone,
        "sessions": [list(pair) for pair in zip(opens.tolist(), closes.tolist(), strict=True)],
    }


def _rail(pages: tuple[Page, ...]) -> Component:
    links = [
        html.A(
            [icon(page.icon), html.Span(page.name, className="rail-label")],
            href=page.path,
            className="nav-link rail-link",
        )
        for page in pages
    ]
    return html.Nav(links, id="nav", **aria(label="Pages"))


def _nobody_signs_in() -> Component:
    return html.Span(
        [html.Span("development: "), "nobody signs in"],
        id="no-sign-in",
        title="Whoever reaches this server may do everything. It answers this machine alone;"
        " MLTRADING_AUTH=on turns signing in on.",
    )


def _top_bar(pages: tuple[Page, ...], marks: list[Component]) -> Component:
    links = [html.A(page.name, href=page.path, className="nav-link top-link") for page in pages]
    state = html.Span([html.Span(id="clock-state"), html.Span(id="clock-next")])
    return html.Header(
        [
            _symbol_search(),
            html.Nav(links, className="top-links", **aria(label="Pages, by name")),
            *marks,
            html.Div([state, html.Span(id="clock-time")], id="clock"),
            _icon_button("theme-toggle", "theme", "Dark or light theme (Alt Shift T)"),
            _icon_button("help-open", "keyboard", "Keyboard help (?)"),
        ],
        id="top-bar",
    )


def _icon_button(id: str, icon_name: str, title: str) -> Component:
    return html.Button(
        [icon(icon_name), visually_hidden(title)],
        id=id,
        type="button",
        className="icon-button",
        title=title,
    )


def _symbol_search() -> Component:
    """The input becomes an ARIA combobox in search.js; dcc.Input takes no ARIA attributes."""
    return html.Div(
        [
            icon("search"),
            dcc.Input(
                id="symbol-search",
                type="text",
                placeholder="Symbol or name",
                autoComplete="off",
                maxLength=MAX_SEARCH,
                debounce=True,
            ),
            html.Kbd("Ctrl K", className="search-key", **aria(hidden="true")),
            html.Ul(id="symbol-options", role="listbox", hidden=True, **aria(label="Symbols")),
        ],
        className="symbol-search",
        role="search",
    )


def _help_dialog(pages: tuple[Page, ...], services: Services) -> Component:
    head = [
        html.H2("Keyboard", id="help-title"),
        html.Button(
            [icon("close"), visually_hidden("Close")],
            type="button",
            className="icon-button dialog-close",
        ),
    ]
    return html.Dialog(
        [html.Div(head, className="dialog-head"), *key_tables(pages, services)],
        id="help-dialog",
        **aria(labelledby="help-title"),
    )


def key_tables(pages: tuple[Page, ...], services: Services) -> list[Component]:
    """Every key that works here, one table for the frame and one for each page that has some."""
    groups = [("Everywhere", KEYS), *((page.name, page.keys) for page in pages)]
    working = [(name, [key for key in keys if on(key.feature, services)]) for name, keys in groups]
    return [_key_table(name, keys) for name, keys in working if keys]


def _key_table(name: str, keys: list[Key]) -> Component:
    rows = [html.Tr([html.Th(html.Kbd(key.press), scope="row"), html.Td(key.does)]) for key in keys]
    return html.Table([html.Caption(name), html.Tbody(rows)], className="keys")
