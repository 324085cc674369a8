"""Where the smoke test looks for a release: over TLS, at addresses that are none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError, SmokeFailed
from delivery.visit import Unreached, Visitor
from tests.browser_fixtures import refuse_or_skip
from tests.test_delivery.releases import Release, listening
from tests.test_delivery.smoke_stage import check

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of mltrading.example, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=mltrading.example"]
    command += ["-addext", "subjectAltName=DNS:mltrading.example"]
    if shutil.which("openssl") is None:
        refuse_or_skip("openssl is not installed")
    subprocess.run(
        [*command, "-out", str(files[0]), "-keyout", str(files[1])], check=True, capture_output=True
    )
    return files


def test_a_certificate_must_be_trusted_and_of_the_name(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hello(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["HTTP_HOST"].encode()]

    def ask(url: str, host: str) -> str:
        visitor = Visitor(url, host)
        try:
            return visitor.get("/").text
        finally:
            visitor.close()

    with listening(hello, certificate) as address:
        host = address.removeprefix("https://")
        with pytest.raises(Unreached, match="self-signed certificate"):
            ask("https://mltrading.example", host)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert ask("https://mltrading.example", host) == "mltrading.example"
        with pytest.raises(Unreached, match="Hostname mismatch|doesn't match"):
            ask("https://another.example", host)


def test_nobody_there(address: str) -> None:
    with pytest.raises(SmokeFailed, match="expected an answer, found none: GET /health/live"):
        check("http://127.0.0.1:1", wait_seconds=0)


@pytest.mark.parametrize("url", ["", "staging.example", "ftp://x", "https://", "http://h:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(DeliveryError, match="is no address of a site"):
        Visitor(url)


def test_an_answer_without_an_end_is_given_up(release: Release, address: str) -> None:
    ticks = iter(range(0, 10_000, 40))
    visitor = Visitor(address, clock=lambda: float(next(ticks)))
    try:
        with pytest.raises(Unreached, match="did not end"):
            visitor.get("/")
    finally:
        visitor.close()
