"""Counts attempts in Redis, so that the database is spared them."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any

from mltrading.errors import ConfigurationError
from mltrading.services.ports.limits import RateLimiter, Taken

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0  # after a failure, before Redis is tried again

# One script is one step: nobody counts between its lines. The window begins with its first attempt.
_TAKE = """
local taken = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {taken, left}
"""


class RedisLimiter:
    """The port services.ports.limits.RateLimiter on the Redis server at `url`.

    While Redis is away, `fallback` counts (in PostgreSQL, which everything here needs anyway). To
    let everybody pass would give passwords away for guessing to whoever brings Redis down; to
    refuse everybody would make a cache the one thing that nothing works without. The two do not
    know of each other's counts: an outage gives each key one more window at most.
    """

    def __init__(
        self, url: str, fallback: RateLimiter, now: Callable[[], float] = time.monotonic
    ) -> None:
        from redis import Redis

        try:
            client = Redis.from_url(
                url,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                protocol=2,  # the other needs Redis 6
                retry=None,
                client_name="mltrading",
            )
        except (ValueError, TypeError):
            raise ConfigurationError(
                "REDIS_URL must be of the form redis://:password@host:6379/0, or rediss:// for TLS"
            ) from None
        self._client = client
        self._take: Any = client.register_script(_TAKE)
        self._fallback = fallback
        self._now = now
        self._away_until = 0.0

    def take(self, key: str, times: int, seconds: int) -> Taken:
        from redis.exceptions import RedisError

        if self._now() < self._away_until:
            return self._fallback.take(key, times, seconds)
        try:
            taken, left = self._take(keys=[_named(key)], args=[seconds * 1000])
        except RedisError as error:
            self._away_until = self._now() + PAUSE_SECONDS
            log.warning("Redis does not count, PostgreSQL does: %s", type(error).__name__)
            return self._fallback.take(key, times, seconds)
        allowed = taken <= times
        return Taken(allowed, 0.0 if allowed else left / 1000, taken == times + 1)

    def close(self) -> None:
        """Close the connections; they open again when needed."""
        self._client.connection_pool.disconnect()


def _named(key: str) -> str:
    """What a visitor typed may be part of a key, and of any length."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"mltrading:limit:{digest}"
