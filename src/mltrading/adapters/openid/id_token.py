"""Whether an ID token may be believed (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from mltrading.errors import SignInRefused

# Signatures by a key that the provider alone has. "none" is no signature, and with HS256 whoever
# can check could also sign: with the public key, if the algorithm of the token were followed.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
CLOCK_DRIFT_SECONDS = 60
LONGEST_SUBJECT = 255
SHORTEST_RSA_MODULUS = 342  # characters of base64url: 2,048 bits
KEYS_AT_MOST = 50

Keys = Callable[[bool], Sequence[dict[str, Any]]]
"""The provider's keys as JSON objects; True: ask again, for there may be new ones."""


def verified(
    token: str, keys: Keys, *, issuer: str, client_id: str, nonce: str, now: int
) -> dict[str, Any]:
    """The claims of the token; SignInRefused names what is wrong."""
    try:
        header, claims = _signed(token, keys)
        _check(
            CodeIDToken(
                claims,
                header,
                {
                    "iss": {"essential": True, "value": issuer},
                    "aud": {"essential": True, "value": client_id},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"client_id": client_id, "nonce": nonce},
            ),
            now,
        )
    except JoseError as error:
        raise refused(error.error or "signature") from None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        raise refused("shape") from None  # a claim is of another type than it should be
    return claims


def refused(what: str) -> SignInRefused:
    """What to say of an answer that can not be trusted."""
    return SignInRefused(f"the provider's answer can not be trusted ({what}); sign in again")


def _check(claims: CodeIDToken, now: int) -> None:
    claims.validate(now, CLOCK_DRIFT_SECONDS)
    subject = claims["sub"]
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise ValueError


def _signed(token: str, keys: Keys) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that one of the provider's keys has signed."""
    header = jws.extract_compact(token.encode("ascii")).headers()
    if header.get("alg") not in ALGORITHMS:
        raise refused("algorithm")
    fitting = _fitting(keys(False), header) or _fitting(keys(True), header)
    if not fitting:
        raise refused("unknown key")
    for key in fitting:
        try:
            return header, jwt.decode(token, key, algorithms=ALGORITHMS).claims
        except BadSignatureError:
            continue
    raise refused("signature")


def _fitting(keys: Sequence[dict[str, Any]], header: dict[str, Any]) -> list[Key]:
    """The keys that may have signed: of the name in the header, or all where it names none."""
    kid, kind = header.get("kid"), "EC" if header["alg"].startswith("ES") else "RSA"
    return [
        (ECKey if kind == "EC" else RSAKey).import_key(key)
        for key in keys[:KEYS_AT_MOST]
        if key.get("kty") == kind
        and (kid is None or key.get("kid") == kid)
        and key.get("use", "sig") == "sig"
        and key.get("alg", header["alg"]) == header["alg"]
        and (kind == "EC" or len(str(key.get("n"))) >= SHORTEST_RSA_MODULUS)
    ]
