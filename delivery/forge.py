"""GitHub's REST API, as the verbs use it: pages followed, odd answers named, one line an error."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from delivery.errors import DeliveryError, PlatformError
from delivery.http import Client

API = "https://api.github.com"
VERSION = "2022-11-28"
PER_PAGE = 100
MOST_PAGES = 50

ADVICE: dict[int | str, str] = {
    401: "GITHUB_TOKEN is wrong or expired; in a workflow pass ${{ github.token }}",
    403: "the token has no right to this; the job's `permissions` in the workflow grant it",
    404: "there is no such thing, or the token may not see it (the job's `permissions`)",
}
Kind = TypeVar("Kind")


def setting(name: str, environment: Mapping[str, str] | None = None) -> str:
    """A variable of the workflow's environment, or the line that says where it comes from."""
    value = (os.environ if environment is None else environment).get(name, "").strip()
    if not value:
        raise DeliveryError(
            f"{name} is not set: a workflow of GitHub sets it; elsewhere export it yourself"
        )
    return value


@dataclass(slots=True)
class Forge:
    """One repository. PlatformError on every answer that is not the expected one."""

    client: Client
    repository: str

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        timeout_seconds: float = 20.0,
    ) -> Forge:
        """By GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN."""
        known = os.environ if environment is None else environment
        repository = setting("GITHUB_REPOSITORY", known)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise DeliveryError(f"GITHUB_REPOSITORY is {repository!r}, not OWNER/NAME")
        headers = {
            "authorization": f"Bearer {setting('GITHUB_TOKEN', known)}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": VERSION,
        }
        address = known.get("GITHUB_API_URL", "").strip() or API
        client = Client(
            address, headers, "GitHub", ADVICE, sleep=sleep, timeout_seconds=timeout_seconds
        )
        return cls(client, repository)

    def path(self, *parts: str | int) -> str:
        """Address of a part of this repository; each part is quoted."""
        quoted = [quote(str(part), safe="") for part in parts]
        return "/".join(["", "repos", self.repository, *quoted])

    def get(self, *parts: str | int, **query: str | int) -> Any:
        return self.client.get(self.path(*parts) + _query(query)).body

    def pages(
        self, *parts: str | int, key: str | None = None, **query: str | int
    ) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page; `key` names the list inside the answer."""
        address = self.path(*parts) + _query({"per_page": PER_PAGE, **query})
        for _ in range(MOST_PAGES):
            answer = self.client.get(address)
            listed = answer.body if key is None else need(answer.body, key, list)
            if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
                raise odd(f"no list of objects at {'/'.join(map(str, parts))}")
            yield from listed
            following = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("link", ""))
            if following is None:
                return
            address = following.group(1)
        raise PlatformError(
            f"GitHub: more than {MOST_PAGES * PER_PAGE} items at {'/'.join(map(str, parts))}; ask"
            " for a shorter time"
        )


def _query(query: Mapping[str, str | int]) -> str:
    return f"?{urlencode(query)}" if query else ""


def odd(what: str) -> PlatformError:
    return PlatformError(f"GitHub's answer is not what its API promises: {what}")


def need(body: Any, name: str, kind: type[Kind]) -> Kind:
    """`body[name]`, which has to be of that type."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise odd(f"{name!r} is {_short(value)}, not {kind.__name__}")
    return value


def moment(body: Any, name: str) -> datetime:
    """`body[name]` as an aware time."""
    text = need(body, name, str)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise odd(f"{name!r} is {_short(text)}, not a time") from None
    if found.tzinfo is None:
        raise odd(f"{name!r} is {_short(text)}, a time without its zone")
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


@dataclass(slots=True)
class Summary:
    """Lines of Markdown for the page of the run; printed where there is no such page."""

    lines: list[str] = field(default_factory=list)

    def write(self, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        content = "\n".join(self.lines) + "\n"
        target = known.get("GITHUB_STEP_SUMMARY", "")
        if target:
            with Path(target).open("a", encoding="utf-8") as page:
                page.write(content + "\n")
        print(content, end="", flush=True)


def cell(text: str) -> str:
    """Text of others inside a Markdown table: no new column, no line, no HTML, no mention."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return flat.replace("|", "\\|").replace("`", "'").replace("@", "@\u200b")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; the cells are made by `cell` or by ourselves."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
