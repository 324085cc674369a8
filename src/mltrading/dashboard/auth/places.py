"""Where to go after signing in: a path of this site, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HOME = "/"
LONGEST = 2000
# Browsers read \ as / and drop control characters, so "/\evil.example" is another site.
_REFUSED = re.compile(r"[\x00-\x20\\\x7f]")
_NO_PLACE = ("/login", "/logout", "/openid", "/password", "/_dash", "/assets")


def local_path(wanted: str | None) -> str:
    """`wanted` where it is a path of this site with its query, else the Overview."""
    if not wanted or len(wanted) > LONGEST or _REFUSED.search(wanted):
        return HOME
    if not wanted.startswith("/") or wanted.startswith("//"):
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    here = not parts.scheme and not parts.netloc and not parts.path.startswith(_NO_PLACE)
    return wanted if here else HOME
