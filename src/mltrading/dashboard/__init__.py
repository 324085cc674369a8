"""The dashboard: `create_dashboard(services)` joins frame, pages and serving into one Dash app."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from dash import Dash
from flask import Flask, Response, request

from mltrading.dashboard import edge, frame, guard, registry, routing, serving, theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.auth import auth_blueprint
from mltrading.dashboard.guard import csrf
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.notices import notices_blueprint
from mltrading.dashboard.pages import PAGES
from mltrading.dashboard.timings import SHARE

if TYPE_CHECKING:
    from mltrading.services import Services
    from mltrading.services.ports.audit import AuditTrail
    from mltrading.services.ports.limits import RateLimiter

TEMPLATES = "dashboard/auth/templates"


def create_dashboard(services: Services, web: Web, limiter: RateLimiter, trail: AuditTrail) -> Dash:
    """A Dash app with every page registered, and the guard before it. Opens no connection.

    Call `_setup_server()` on the result before several threads serve it, and then
    `guard.complete.refuse_unguarded`, when all is registered that ever will be.
    """
    pages = registry.shown(PAGES, services)
    app = _Dashboard(pages, web)
    app.layout = lambda: frame.layout(pages, services, sign_in=web.sign_in)
    routing.register(app, services, pages)
    for page in pages:
        page.register(app, services)
    app.server.register_blueprint(notices_blueprint(services))
    visitors = None
    if services.identity is not None:
        visitors = Visitors(services.identity, web, pages)
        signing = auth_blueprint(services.identity, services.health, web, visitors)
        app.server.register_blueprint(signing)
    guard.install(app, pages, web, visitors, limiter, trail)
    return app


class _Dashboard(Dash):
    """Dash with its document written by us: theme before paint, fingerprinted files, real 404."""

    def __init__(self, pages: tuple[registry.Page, ...], web: Web) -> None:
        self._pages = pages
        self._web = web
        self._assets = serving.Assets(serving.static_folder())
        server = Flask("mltrading", static_folder=None, template_folder=TEMPLATES)
        server.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # nobody asks from another site
        server.jinja_env.globals |= {"asset": self._assets.url, "theme": theme.current}
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
            "csrf_token_name": web.csrf_cookie,
            "csrf_header_name": csrf.HEADER,
        }
        super().__init__("mltrading", **options)

    def index(self, *args: Any, **kwargs: Any) -> Response:
        """The document. An address that is no page's is a real 404, and a page that the actor has
        no right to a real 403; both still show the frame."""
        page = registry.find(self._pages, request.path)
        status = 404 if page is None else 200 if page.open_to(current_actor()) else 403
        document: str = super().index(*args, **kwargs)  # type: ignore[no-untyped-call]
        response = Response(document, status)
        if self._web.csrf:
            csrf.hand_out(response, self._web)
        return response

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]
        page = registry.find(self._pages, request.path)
        fetch = "preload" if page and page.graphs else "prefetch"  # now, or when idle
        styles = "".join(f'<link rel="stylesheet" href="{url}">' for url in self._assets.styles)
        scripts = "".join(f'<script src="{url}"></script>' for url in self._assets.scripts)
        return f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme.current()}" data-timings="{self.server.config.get(SHARE, 0)}">
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
