"""Signing in at an OpenID provider: discovery, the code flow with PKCE, and whom it vouches for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

from mltrading.errors import ProviderUnavailable, SignInRefused
from mltrading.services.ports.openid import VerifiedClaims
from mltrading.utils.clock import Clock
from mltrading.utils.hosts import is_loopback
from mltrading.utils.text import one_line

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session
    from requests.auth import AuthBase

BASIC = "client_secret_basic"
SCOPE = "openid email"
KEPT_SECONDS = 3600.0  # what the provider says of itself, and its keys
LONGEST_CODE = 4096
LONGEST_REASON = 60


class OpenIdConnect:
    """The port services.ports.openid.OpenIdProvider. Nothing is asked before the first sign-in."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._metadata = _Kept(self._discover, monotonic)
        self._keys = _Kept(self._fetch_keys, monotonic)

    @property
    def issuer(self) -> str:
        return self._issuer

    def authorization_url(
        self, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        with self._asking():
            metadata = self._metadata.get()
        with self._session(code_challenge_method="S256") as session:
            url, _ = session.create_authorization_url(
                metadata["authorization_endpoint"],
                state,
                code_verifier,
                nonce=nonce,
                redirect_uri=redirect_uri,
                scope=SCOPE,
            )
        return str(url)

    def exchange(
        self, code: str, redirect_uri: str, nonce: str, code_verifier: str
    ) -> VerifiedClaims:
        from mltrading.adapters.openid.id_token import refused, verified

        if not code or len(code) > LONGEST_CODE or not code.isprintable():
            raise refused("code")
        with self._asking():
            token = self._fetch_token(code, redirect_uri, code_verifier)
            id_token = token.get("id_token")
            if not isinstance(id_token, str) or not id_token.isascii():
                raise refused("no token")
            claims = verified(
                id_token,
                self._keys.get,
                issuer=self._issuer,
                client_id=self._client_id,
                nonce=nonce,
                now=int(self._clock.now().timestamp()),
            )
            if "email" not in claims:
                claims = self._user_info(claims, token)
        if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
            raise SignInRefused(
                "the provider has not verified your e-mail address; verify it there first"
            )
        return VerifiedClaims(self._issuer, claims["sub"], claims["email"])

    def _discover(self) -> dict[str, Any]:
        from mltrading.adapters.openid.http import BadAnswer, get_object

        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        with self._session() as session:
            metadata = get_object(session, address, withhold_token=True)
        if metadata.get("issuer") != self._issuer:
            name = one_line(str(metadata.get("issuer")))[:LONGEST_REASON]
            raise BadAnswer(f"it calls itself '{name}', OIDC_ISSUER '{self._issuer}'")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not self._is_safe(metadata.get(name)):
                raise BadAnswer(f"its {name} is no https:// address")
        return metadata

    def _is_safe(self, url: object) -> bool:
        """Whether the address is encrypted, or of this machine where the provider is too."""
        if not isinstance(url, str):
            return False
        try:
            parts, host = urlsplit(url), urlsplit(self._issuer).hostname
        except ValueError:
            return False
        if not host or not parts.hostname:
            return False
        local = is_loopback(host) and is_loopback(parts.hostname)
        return parts.scheme == "https" or (local and parts.scheme == "http")

    def _fetch_keys(self) -> Sequence[dict[str, Any]]:
        from mltrading.adapters.openid.http import BadAnswer, get_object

        address = self._metadata.get()["jwks_uri"]
        with self._session() as session:
            keys = get_object(session, address, withhold_token=True).get("keys")
        if not isinstance(keys, list):
            raise BadAnswer("its keys are no list")
        return [key for key in keys if isinstance(key, dict)]

    def _fetch_token(self, code: str, redirect_uri: str, code_verifier: str) -> dict[str, Any]:
        from authlib.integrations.base_client import OAuthError

        metadata = self._metadata.get()
        known = metadata.get("token_endpoint_auth_methods_supported") or [BASIC]
        try:
            with self._session(token_endpoint_auth_method="client_secret_post") as session:
                token: dict[str, Any] = session.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=code_verifier,
                    auth=self._basic_auth() if BASIC in known else None,
                    allow_redirects=False,
                )
        except OAuthError as error:
            reason = one_line(str(error.error))[:LONGEST_REASON]
            raise SignInRefused(f"the provider refused ({reason}); sign in again") from None
        return token

    def _basic_auth(self) -> AuthBase:
        """Name and secret as RFC 6749, section 2.3.1, has them encoded; Authlib sends them bare."""
        from requests.auth import HTTPBasicAuth

        return HTTPBasicAuth(quote_plus(self._client_id), quote_plus(self._client_secret))

    def _user_info(self, claims: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        """The claims, with what the provider tells of the same person for the access token."""
        from mltrading.adapters.openid.http import get_object
        from mltrading.adapters.openid.id_token import refused

        address = self._metadata.get().get("userinfo_endpoint")
        if not self._is_safe(address) or not isinstance(token.get("access_token"), str):
            return claims
        with self._session(token=token) as session:
            told = get_object(session, str(address))
        if told.get("sub") != claims["sub"]:
            raise refused("another person")
        return {**claims, "email": told.get("email"), "email_verified": told.get("email_verified")}

    def _session(self, **more: Any) -> OAuth2Session:
        # A third of a second to import.
        from authlib.integrations.requests_client import OAuth2Session

        from mltrading.adapters.openid.http import mount

        session = OAuth2Session(self._client_id, self._client_secret, **more)
        mount(session)
        return session

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Every way in which the provider can fail, as ProviderUnavailable."""
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        from mltrading.adapters.openid.http import BadAnswer

        try:
            yield
        except BadAnswer as error:
            reason = str(error)
        except (RequestException, HTTPError, OSError):
            reason = "it does not answer"
        except ValueError:
            reason = "its answer is no JSON object"
        else:
            return
        raise ProviderUnavailable(
            f"can not sign in at {urlsplit(self._issuer).hostname}: {reason}; try again later, or"
            " sign in with a password"
        ) from None


class _Kept:
    """What a function returned, for an hour. One thread at a time asks; the others wait for it, but
    not for several that fail one after the other."""

    def __init__(self, ask: Callable[[], Any], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._value: Any = None
        self._until = float("-inf")

    def get(self, anew: bool = False) -> Any:
        from mltrading.adapters.openid.http import WHOLE_SECONDS, BadAnswer

        # pylint: disable-next=consider-using-with  # which would wait for ever
        if not self._lock.acquire(timeout=WHOLE_SECONDS):
            raise BadAnswer("it does not answer")
        try:
            if anew or self._monotonic() >= self._until:
                self._value = self._ask()
                self._until = self._monotonic() + KEPT_SECONDS
            return self._value
        finally:
            self._lock.release()
