"""What keeps strangers out: keys, protections, the way to the server."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from mltrading.cli.doctor.findings import Finding, error, ok, warning
from mltrading.settings import Settings
from mltrading.utils.hosts import is_loopback

NEW_KEY = "make one with: openssl rand -hex 32"
GUESSABLE_BITS = 100.0  # of a key's own letters; 32 hexadecimal digits drawn by lot hold 128


def examine(settings: Settings) -> Iterator[Finding]:
    yield signing_in(settings)
    if settings.secret_key is not None:
        yield key(settings.secret_key.get_secret_value())
    if settings.sign_in:
        yield from protections(settings)
        if settings.environment != "development":
            yield proxy(settings)
    if settings.debug:
        yield warning(
            "debug_mode",
            "Dash's developer tools are on: they show source code",
            "leave DASH_DEBUG and debug_mode off wherever others come",
        )


def signing_in(settings: Settings) -> Finding:
    if settings.sign_in:
        return ok("signing in", "users sign in")
    if is_loopback(settings.host):
        return ok("signing in", "nobody signs in: for this machine alone")
    return error(
        "signing in",
        f"nobody signs in, and HOST {settings.host} is open to other machines",
        "set MLTRADING_AUTH=on and SECRET_KEY, or listen on 127.0.0.1",
    )


def key(secret: str) -> Finding:
    """By the key's own letters: whether it was drawn by lot nobody can see."""
    if repeated(secret):
        return warning("SECRET_KEY", "it repeats itself, so it can be guessed", NEW_KEY)
    if bits(secret) < GUESSABLE_BITS:
        return warning("SECRET_KEY", "it has too few different letters", NEW_KEY)
    return ok("SECRET_KEY", f"{len(secret)} characters")


def repeated(text: str) -> bool:
    """Whether the text is one shorter text several times, or counts up."""
    steps = {ord(after) - ord(before) for before, after in zip(text, text[1:], strict=False)}
    return text in (text + text)[1:-1] or len(steps) == 1


def bits(text: str) -> float:
    """How many bits its letters hold, were each drawn as often as it stands there."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)


def protections(settings: Settings) -> Iterator[Finding]:
    for name in ("csrf_protection", "rate_limiting"):
        check = f"security.{name}"
        if getattr(settings.security, name):
            yield ok(check, "on")
        else:
            yield warning(
                check, "off, though users sign in", f"set {check} to true, or leave it out"
            )


def proxy(settings: Settings) -> Finding:
    if settings.proxy:
        return ok("proxy", "a proxy in front tells the visitor's address and that HTTPS is used")
    return warning(
        "proxy",
        "no proxy is believed, so every visit counts as unencrypted and is sent to HTTPS",
        "set MLTRADING_PROXY=on behind a proxy that speaks HTTPS",
    )
