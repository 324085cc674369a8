"""How a deployment stands on the network: what the guard and the sign-in need of the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Web:
    """The default is a development server on this machine, where nobody signs in.

    `exposed`: staging and production, which are reached by HTTPS alone. `secret` signs what is
    kept in the browser, and is set wherever `sign_in` or `csrf` is. `proxy`: one trusted proxy is
    in front and says who asks. `limits`: how often (times, in seconds) a user may fire one
    callback, and an address may ask for what needs no session; None: as often as they like.
    """

    exposed: bool = False
    sign_in: bool = False
    secret: str = ""
    proxy: bool = False
    csrf: bool = False
    limits: tuple[tuple[int, int], tuple[int, int]] | None = None

    def cookie(self, name: str) -> str:
        """The full name of a cookie. With its prefix a browser takes it from this host by HTTPS
        alone, so that no other host of the domain can plant one."""
        return f"__Host-{name}" if self.exposed else name

    @property
    def session_cookie(self) -> str:
        return self.cookie("session")

    @property
    def csrf_cookie(self) -> str:
        return self.cookie("csrf")
