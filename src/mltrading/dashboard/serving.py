"""What leaves the server: static files, their fingerprints, compression and caching.

Everything with a fingerprint in its address is kept for a year; the rest is asked for again with
its ETag. Bodies are compressed once for each fingerprinted file, and on the fly for answers.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from threading import Lock

import brotli
from dash.exceptions import DependencyException
from flask import Flask, Response, request

PLOTLY_URL = "/_dash-component-suites/plotly/package_data/plotly.min.js"
SUITES = "/_dash-component-suites/"
ASSETS = "/assets/"
YEAR_SECONDS = 365 * 24 * 3600
IMMUTABLE = f"public, max-age={YEAR_SECONDS}, immutable"
WORTH_COMPRESSING = 512  # bytes; less than this fits in one packet anyway
KEPT_BODIES = 200  # compressed files kept in memory; the program has about 40

_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml")


@cache
def static_folder() -> Path:
    """The folder static/: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "static", package.parents[1] / "static"):
        if (folder / "tokens.css").is_file():
            return folder
    raise FileNotFoundError(f"static/tokens.css is neither in {package} nor two folders above it")


class Assets:
    """Addresses of the files in static/, each with a fingerprint of its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        """The address of `name` ("js/chart.js"); it changes whenever the file does."""
        digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        return f"{ASSETS}{name}?v={digest[:12]}"

    @cached_property
    def styles(self) -> list[str]:
        """The style sheets in the order of their cascade: tokens, the frame, the pages."""
        pages = sorted(path.name for path in (self.folder / "css").glob("*.css"))
        return [self.url(name) for name in ("tokens.css", "app.css", *(f"css/{p}" for p in pages))]

    @cached_property
    def scripts(self) -> list[str]:
        """The scripts for the end of the page; theme.js goes into the head instead."""
        names = sorted(path.name for path in (self.folder / "js").glob("*.js"))
        return [self.url(f"js/{name}") for name in names if name != "theme.js"]

    @cached_property
    def plotly_version(self) -> str:
        """Fingerprint of the committed plotly.js bundle."""
        return (self.folder / "vendor" / "plotly.min.js.sha256").read_text("ascii")[:12]

    @property
    def plotly_url(self) -> str:
        return f"{PLOTLY_URL}?v={self.plotly_version}"


def install(server: Flask, assets: Assets) -> None:
    """Serve the plotly.js bundle, and compress and cache every answer of `server`."""
    server.add_url_rule(PLOTLY_URL, "plotly_bundle", lambda: _plotly(assets))
    server.add_url_rule("/favicon.ico", "favicon", lambda: _favicon(assets))
    # Dash answers a path that is none of its files with a 500 and a page of log.
    server.register_error_handler(DependencyException, lambda error: ("Not found", 404))
    bodies = _Bodies()

    @server.after_request
    def finish(response: Response) -> Response:
        _set_caching(response, assets)
        return _compress(response, bodies)


def _plotly(assets: Assets) -> Response:
    """The bundle as it was compressed when it was built; unpacked only for a client that can
    neither take Brotli nor gzip."""
    accepted = _accepted()
    suffix = {"br": "br", "gzip": "gz"}.get(accepted, "gz")
    body = (assets.folder / "vendor" / f"plotly.min.js.{suffix}").read_bytes()
    if not accepted:
        body = gzip.decompress(body)
    response = Response(body, mimetype="text/javascript")
    if accepted:
        response.headers["Content-Encoding"] = accepted
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{assets.plotly_version}-{accepted or 'identity'}")
    response.make_conditional(request)
    return response


def _favicon(assets: Assets) -> Response:
    """For documents of ours without a link to the icon, such as /health in a browser."""
    return Response((assets.folder / "icons" / "icon.svg").read_bytes(), mimetype="image/svg+xml")


def _accepted() -> str:
    """The best encoding that the client takes: "br", "gzip" or "" for none."""
    offered = request.accept_encodings
    return next((name for name in ("br", "gzip") if offered[name] > 0), "")


def _set_caching(response: Response, assets: Assets) -> None:
    if request.method not in ("GET", "HEAD") or response.status_code not in (200, 304):
        return
    if _fingerprinted():
        response.headers["Cache-Control"] = IMMUTABLE
    elif "Cache-Control" not in response.headers or request.path.startswith((ASSETS, SUITES)):
        response.headers["Cache-Control"] = "no-cache"
        if response.status_code == 200 and (response.is_json or request.path.startswith(SUITES)):
            response.add_etag()
            response.make_conditional(request)


def _fingerprinted() -> bool:
    """Whether the address names one content for ever (Dash writes `.v4_4_1m1790000000.`)."""
    path = request.path
    if path.startswith(ASSETS) or path == PLOTLY_URL:
        return "v" in request.args
    return path.startswith(SUITES) and ".v" in path.rsplit("/", 1)[-1]


def _compress(response: Response, bodies: _Bodies) -> Response:
    if not _compressible(response):
        return response
    response.vary.add("Accept-Encoding")
    encoding = _accepted()
    if not encoding:
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < WORTH_COMPRESSING:
        return response
    if _fingerprinted():
        response.set_data(bodies.get(body, encoding))
    else:
        response.set_data(_on_the_fly(body, encoding))
    response.headers["Content-Encoding"] = encoding
    tag, _ = response.get_etag()
    if tag:
        response.set_etag(tag, weak=True)  # one content in several encodings
    return response


def _compressible(response: Response) -> bool:
    return (
        response.status_code in (200, 404)
        and "Content-Encoding" not in response.headers
        and request.method != "HEAD"
        and request.blueprint != "auth"  # its length must not tell of the token in it (BREACH)
        and (response.mimetype or "").startswith(_COMPRESSIBLE)
        and not (response.is_streamed and not response.direct_passthrough)
    )


def _on_the_fly(body: bytes, encoding: str) -> bytes:
    return _pack(body, encoding, 5)


def _thoroughly(body: bytes, encoding: str) -> bytes:
    return _pack(body, encoding, 9)


def _pack(body: bytes, encoding: str, quality: int) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, compresslevel=quality, mtime=0)
    packed: bytes = brotli.compress(body, quality=quality)
    return packed


class _Bodies:
    """Compressed files by content, each compressed once in this process."""

    def __init__(self, compress: Callable[[bytes, str], bytes] = _thoroughly) -> None:
        self._compress = compress
        self._lock = Lock()
        self._kept: dict[tuple[bytes, str], bytes] = {}

    def get(self, body: bytes, encoding: str) -> bytes:
        key = (hashlib.sha256(body).digest(), encoding)
        with self._lock:  # the first page load asks for a file in several threads at once
            if key not in self._kept:
                if len(self._kept) >= KEPT_BODIES:
                    self._kept.clear()
                self._kept[key] = self._compress(body, encoding)
            return self._kept[key]
