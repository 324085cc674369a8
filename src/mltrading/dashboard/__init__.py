"""The dashboard: `create_dashboard(services)` joins frame, pages and serving into one Dash app."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from dash import Dash
from flask import Flask, request

from mltrading.dashboard import edge, frame, payload, registry, routing, serving, theme
from mltrading.dashboard.pages import PAGES

if TYPE_CHECKING:
    from mltrading.services import Services


def create_dashboard(services: Services, server: Flask | None = None) -> Dash:
    """A Dash app on `server` (a new Flask app where none is given), with every page registered.

    Opens no connection. Call `_setup_server()` on the result before several threads serve it.
    """
    pages = registry.shown(PAGES, services)
    app = _Dashboard(pages, server)
    app.layout = lambda: frame.layout(pages, services)
    routing.register(app, services, pages)
    for page in pages:
        page.register(app, services)
    payload.install(app)
    return app


class _Dashboard(Dash):
    """Dash with its document written by us: theme before paint, fingerprinted files, real 404."""

    def __init__(self, pages: tuple[registry.Page, ...], server: Flask | None) -> None:
        self._pages = pages
        self._assets = serving.Assets(serving.static_folder())
        server = server or Flask("mltrading", static_folder=None)
        serving.install(server, self._assets)
        options: dict[str, Any] = {  # Dash's own annotations refuse a server and a missing title
            "server": server,
            "assets_folder": str(self._assets.folder),
            "include_assets_files": False,  # interpolate_index links them, with fingerprints
            "use_pages": False,
            "update_title": None,
            "suppress_callback_exceptions": True,  # pages come and go
            "on_error": edge.on_error,
            "use_async": False,
            "add_log_handler": False,
        }
        super().__init__("mltrading", **options)

    def index(self, *args: Any, **kwargs: Any) -> tuple[str, int]:
        """The document; an address that is no page's is a real 404 that still shows the frame."""
        known = registry.find(self._pages, request.path) is not None
        document: str = super().index(*args, **kwargs)  # type: ignore[no-untyped-call]
        return document, 200 if known else 404

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]
        page = registry.find(self._pages, request.path)
        fetch = "preload" if page and page.graphs else "prefetch"  # now, or when idle
        styles = "".join(f'<link rel="stylesheet" href="{url}">' for url in self._assets.styles)
        scripts = "".join(f'<script src="{url}"></script>' for url in self._assets.scripts)
        return f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme.current()}">
<head>{parts["metas"]}
<title>{escape(routing.page_title(page))}</title>
<script src="{self._assets.url("js/theme.js")}"></script>
<link rel="icon" type="image/svg+xml" href="{self._assets.url("icons/icon.svg")}">
{styles}{parts["css"]}
<link rel="{fetch}" as="script" id="plotly-bundle" href="{self._assets.plotly_url}">
</head>
<body>
{_ENTRY}
<noscript><p class="empty">{routing.APP_NAME} draws its pages with JavaScript; please allow it.</p>
</noscript>
<footer>{parts["config"]}{parts["scripts"]}{scripts}{parts["renderer"]}</footer>
</body>
</html>"""


# The frame's shape until the layout arrives, so that nothing moves when it does.
_ENTRY = """<div id="react-entry-point"><div class="_dash-loading">
<div id="nav"></div><div id="top-bar"></div></div></div>"""
