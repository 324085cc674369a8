"""What leaves the server: real 404s, encodings, caching, and nothing from outside static/."""

from __future__ import annotations

import gzip
import re

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient

from mltrading.dashboard import serving
from tests.test_dashboard.frame_made import Market, make_dashboard

REFERENCES = re.compile(r'(?:src|href)="(/[^"]+)"')


class Client(FlaskClient):
    """A client that closes every answer, as a WSGI server does."""

    def open(self, *args, **kwargs):
        return super().open(*args, **{"buffered": True} | kwargs)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    server = make_dashboard(Market()).server
    server.test_client_class = Client
    return server.test_client()


def document(client: FlaskClient, path: str = "/") -> str:
    return client.get(path).get_data(as_text=True)


@pytest.mark.smoke
@pytest.mark.parametrize("path", ["/", "/charts", "/compare", "/help"])
def test_every_page_is_served_with_its_own_title(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    name = {"/": "Overview"}.get(path, path[1:].capitalize())
    assert f"<title>{name} · MLTrading</title>" in response.get_data(as_text=True)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "path",
    ["/nope", "/health", "/charts/", "/Charts", "/charts/x", "/_dash", "/%3Cscript%3E"],
)
def test_unknown_address_is_a_real_404_that_shows_the_frame(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "<title>Not found · MLTrading</title>" in response.get_data(as_text=True)
    assert 'id="react-entry-point"' in response.get_data(as_text=True)


def test_compare_is_unknown_where_the_feature_is_off() -> None:
    client = make_dashboard(Market(), comparison=False).server.test_client()
    assert client.get("/compare").status_code == 404
    assert "/compare" not in client.get("/_dash-layout").get_data(as_text=True)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../pyproject.toml",
        "/assets/%2e%2e/pyproject.toml",
        "/assets//etc/passwd",
        "/assets/..%2fpyproject.toml",
        "/assets/none.js",
        "/_dash-component-suites/dash/../../etc/passwd",
        "/_dash-component-suites/dash/dash.py",
    ],
)
def test_nothing_outside_static_is_served(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "mltrading" not in response.get_data(as_text=True).replace("MLTrading", "")


def test_every_file_of_the_document_exists_and_is_kept_for_good(client: FlaskClient) -> None:
    references = REFERENCES.findall(document(client))
    assert any("plotly" in url for url in references)
    for url in references:
        response = client.get(url.replace("&amp;", "&"))
        assert response.status_code == 200, url
        assert response.headers["Cache-Control"] == serving.IMMUTABLE, url


def test_fingerprint_follows_the_content(tmp_path) -> None:
    file = tmp_path / "a.js"
    file.write_text("one")
    before = serving.Assets(tmp_path).url("a.js")
    file.write_text("two")
    assert serving.Assets(tmp_path).url("a.js") != before


@pytest.mark.parametrize(
    "path",
    [
        serving.PLOTLY_URL,
        "/assets/tokens.css",
        "/_dash-layout",
        "/",
        "/nope",
    ],
)
def test_encodings_hold_the_same_body(client: FlaskClient, path: str) -> None:
    def body(accepted: str) -> tuple[str, bytes]:
        response = client.get(path, headers={"Accept-Encoding": accepted})
        assert "Accept-Encoding" in response.headers.get("Vary", "")
        return response.headers.get("Content-Encoding", ""), response.data

    salt = re.compile(rb'"end_id":"[^"]*"')  # the one part of a document that differs each time
    assert body("")[0] == ""
    plain = salt.sub(b"", body("")[1])
    assert body("br, gzip")[0] == "br"
    assert salt.sub(b"", brotli.decompress(body("br, gzip")[1])) == plain
    assert body("gzip")[0] == "gzip"
    assert salt.sub(b"", gzip.decompress(body("gzip")[1])) == plain
    assert body("br;q=0, identity")[0] == ""


@pytest.mark.parametrize("path", ["/_dash-layout", "/_dash-dependencies", "/assets/app.css"])
@pytest.mark.parametrize("accepted", ["br", "gzip", "identity"])
def test_repeated_request_is_answered_with_304(
    client: FlaskClient, path: str, accepted: str
) -> None:
    headers = {"Accept-Encoding": accepted}
    first = client.get(path, headers=headers)
    again = client.get(path, headers=headers | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get(path, headers=headers | {"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_fingerprinted_file_is_compressed_once() -> None:
    calls = []

    def compress(body: bytes, encoding: str) -> bytes:
        calls.append(encoding)
        return body[:1]

    bodies = serving._Bodies(compress)
    assert [bodies.get(b"abc", "br"), bodies.get(b"abc", "br")] == [b"a", b"a"]
    bodies.get(b"abc", "gzip")
    bodies.get(b"abd", "br")
    assert calls == ["br", "gzip", "br"]


def test_memory_for_compressed_files_is_bounded() -> None:
    bodies = serving._Bodies(lambda body, encoding: body)
    for number in range(3 * serving.KEPT_BODIES):
        bodies.get(str(number).encode(), "br")
    assert len(bodies._kept) <= serving.KEPT_BODIES


def test_streamed_answer_is_left_alone() -> None:
    server = Flask("streaming")
    serving.install(server, serving.Assets(serving.static_folder()))

    @server.get("/stream")
    def stream():
        return (part for part in ["x" * 1000]), 200, {"Content-Type": "text/plain"}

    response = server.test_client().get("/stream", headers={"Accept-Encoding": "br"})
    assert "Content-Encoding" not in response.headers
    assert response.data == b"x" * 1000


def test_static_folder_that_is_nowhere_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(serving, "__file__", str(tmp_path / "a" / "b" / "c" / "serving.py"))
    serving.static_folder.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"tokens\.css"):
        serving.static_folder()
    serving.static_folder.cache_clear()


def test_static_folder_of_an_installed_package_comes_first(tmp_path, monkeypatch) -> None:
    package = tmp_path / "site" / "mltrading"
    for folder in (package / "static", tmp_path / "static"):
        folder.mkdir(parents=True)
        (folder / "tokens.css").write_text("")
    monkeypatch.setattr(serving, "__file__", str(package / "dashboard" / "serving.py"))
    serving.static_folder.cache_clear()
    try:
        assert serving.static_folder() == package / "static"
    finally:
        serving.static_folder.cache_clear()


@pytest.mark.smoke
def test_loads_stay_within_their_budgets(client: FlaskClient) -> None:
    """Charts' first load is at most 1.3 MB in Brotli; what is asked again each time, 40 kB."""
    brotli_only = {"Accept-Encoding": "br"}
    files = [url.replace("&amp;", "&") for url in REFERENCES.findall(document(client, "/charts"))]
    first = sum(len(client.get(url, headers=brotli_only).data) for url in files)
    again = sum(
        len(client.get(url, headers=brotli_only).data)
        for url in ("/charts", "/_dash-layout", "/_dash-dependencies")
    )
    assert first > 500_000  # the files were really counted
    assert first + again < 1_300_000
    assert again < 12_000
