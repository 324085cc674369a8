"""A small OpenID provider on loopback: discovery, code flow with PKCE, signed tokens, user info.

It keeps the rules of OpenID Connect Core, refuses what a provider must refuse, and lies where a
test tells it to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID = "mltrading"
CLIENT_SECRET = "provider secret: ä/+ %"
REDIRECT_URI = "http://127.0.0.1:8050/openid/callback"

Claims = dict[str, Any]
Key = RSAKey | ECKey


def new_key(kid: str, kind: type[RSAKey] | type[ECKey] = RSAKey) -> Key:
    parameters: Any = {"kid": kid, "use": "sig"}
    if kind is RSAKey:
        return RSAKey.generate_key(2048, parameters)
    return ECKey.generate_key("P-256", parameters)


FIRST_KEY, SECOND_KEY = new_key("first"), new_key("second")


@dataclass(frozen=True)
class Code:
    """What a code stands for."""

    redirect_uri: str
    nonce: str
    challenge: str


@dataclass
class Provider:
    """Its state. `person` holds the claims of whoever signs in; `claims` changes those of the next
    token, `sign` makes another token of them; `answers` replaces what a path answers."""

    address: str = ""
    redirect_uri: str = REDIRECT_URI  # as it was registered
    person: Claims = field(
        default_factory=lambda: {"sub": "p-1", "email": "ann@example.com", "email_verified": True}
    )
    keys: list[Key] = field(default_factory=lambda: [FIRST_KEY])
    algorithm: str = "RS256"
    claims: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims], str] | None = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    thin: bool = False  # whether e-mail addresses are told at user info alone
    asked: list[str] = field(default_factory=list)
    trickling: str = ""  # the path that is answered byte by byte, without end
    silent: bool = False  # whether connections stay open after an answer
    stopped: threading.Event = field(default_factory=threading.Event)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "userinfo_endpoint": f"{self.address}/userinfo",
            "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256"],
            "code_challenge_methods_supported": ["S256"],
            **self.metadata,
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Whoever comes is signed in; the address to go back to."""
        asked = {name: query.pop(name, "") for name in ("state", "nonce", "code_challenge")}
        assert query == {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email",
            "code_challenge_method": "S256",
        }
        assert all(len(value) >= 43 for value in asked.values())
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(self.redirect_uri, asked["nonce"], asked["code_challenge"])
        return f"{self.redirect_uri}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        if "client_secret_post" in self.metadata.get("token_endpoint_auth_methods_supported", []):
            client = (form.get("client_id"), form.get("client_secret"))
        else:
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            client = unquote_plus(name), unquote_plus(secret)
        if client != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        known = self.codes.pop(form.get("code", ""), None)  # no code is good twice
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = (
            known is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == known.redirect_uri
            and base64.urlsafe_b64encode(verifier).decode().rstrip("=") == known.challenge
        )
        if known is None or not fits:
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        self.tokens.add(access_token)
        id_token = self.id_token(known.nonce)
        return 200, {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": id_token,
        }

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        person = {"sub": self.person["sub"]} if self.thin else self.person
        claims = self.claims(
            {
                "iss": self.address,
                "aud": CLIENT_ID,
                "iat": now,
                "exp": now + 300,
                "nonce": nonce,
                **person,
            }
        )
        return self.sign(claims) if self.sign else signed(claims, self.keys[0], self.algorithm)


def signed(
    claims: Claims, key: Key, algorithm: str = "RS256", header: dict[str, Any] | None = None
) -> str:
    """A token that the key has signed."""
    head = {"alg": algorithm, "kid": key.kid} if header is None else header
    return jwt.encode(head, claims, key, algorithms=[algorithm])


def handmade(claims: Claims, algorithm: str, kid: str, secret: bytes | None) -> str:
    """A token that no library would make: unsigned, or "signed" with what everybody knows."""
    parts = [{"alg": algorithm, "kid": kid, "typ": "JWT"}, claims]
    text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    signature = b"" if secret is None else hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        provider = self.provider
        if self._told(parts.path):
            return
        if parts.path == "/authorize":
            query = {name: value for name, [value] in parse_qs(parts.query).items()}
            self._send(302, {"Location": provider.authorize(query)}, b"")
        elif parts.path == "/.well-known/openid-configuration":
            self._json(200, provider.discovery())
        elif parts.path == "/keys":
            self._json(200, {"keys": [key.as_dict(private=False) for key in provider.keys]})
        elif parts.path == "/userinfo":
            known = self.headers["Authorization"].removeprefix("Bearer ") in provider.tokens
            self._json(200 if known else 401, provider.person if known else {})
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        if not self._told("/token"):
            fields = {name: value for name, [value] in form.items()}
            self._json(*self.provider.token(fields, self.headers.get("Authorization", "")))

    def _told(self, path: str) -> bool:
        """Whether a test has said what to answer."""
        self.provider.asked.append(path)
        if path == self.provider.trickling:
            self._trickle()
            return True
        answer = self.provider.answers.get(path)
        if answer is not None:
            self._send(*answer)
            if self.provider.silent:
                self.provider.stopped.wait()
        return answer is not None

    def _trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while not self.provider.stopped.wait(0.02):
                self.wfile.write(b" ")

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_provider(host: str = "127.0.0.1") -> Iterator[Provider]:
    """A provider that answers on a free port of that address of loopback."""
    provider = Provider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer((host, 0), handler)
    provider.address = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        provider.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
