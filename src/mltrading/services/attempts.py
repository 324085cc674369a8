"""How often somebody may try to sign in, by account and by IP address."""

from __future__ import annotations

import math
from ipaddress import IPv6Address, ip_address

from mltrading.errors import TooManyAttempts
from mltrading.services.ports.audit import AuditEvent, AuditTrail, Origin
from mltrading.services.ports.limits import RateLimiter
from mltrading.utils.measures import rate_limited

Rate = tuple[int, int]
"""How often in how many seconds."""


class Attempts:
    """Counts attempts to sign in, over all workers. The first refusal of a window is recorded, and
    no other: the trail is not to be flooded by whoever tries."""

    def __init__(
        self, limiter: RateLimiter, trail: AuditTrail, by_account: Rate, by_address: Rate
    ) -> None:
        self._limiter = limiter
        self._trail = trail
        self._by_account = by_account
        self._by_address = by_address

    def take(self, who: str, origin: Origin) -> None:
        """Count one attempt on the account `who` (its id, or a digest of what was typed).

        The address comes first, so that one address alone locks no account for long.
        """
        self.take_address(origin)
        self._take(f"account:{who}", self._by_account, "account", who, origin)

    def take_address(self, origin: Origin) -> None:
        """Count one attempt of nobody known yet."""
        self._take(f"address:{network(origin.address)}", self._by_address, "address", "", origin)

    def _take(self, key: str, rate: Rate, kind: str, who: str, origin: Origin) -> None:
        taken = self._limiter.take(key, *rate)
        if taken.allowed:
            return
        rate_limited(f"sign in by {kind}")
        if taken.first_refusal:
            details = {"limit": kind, "times": str(rate[0]), "seconds": str(rate[1])}
            self._trail.record(
                AuditEvent(
                    "session.limit",
                    outcome="refused",
                    target=who,
                    details=details,
                    origin=origin,
                )
            )
        raise TooManyAttempts(
            f"too many attempts to sign in; try again {soon(taken.again_after_seconds)}",
            taken.again_after_seconds,
        )


def network(address: str) -> str:
    """What one client can hardly choose: the IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def soon(seconds: float) -> str:
    """When, in words."""
    if seconds <= 90:
        return f"in {max(1, math.ceil(seconds))} s"
    return f"in {math.ceil(seconds / 60)} minutes"
