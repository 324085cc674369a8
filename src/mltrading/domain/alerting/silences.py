"""Silences: what nobody is told of for a while, although it goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from mltrading.errors import InvalidSilence
from mltrading.utils.text import nearest

LONGEST_SECONDS = 30 * 86_400.0
LONGEST_REASON = 500
LABELS = ("rule", "severity", "channel")
_MATCHER = re.compile(r"([a-z]+)(!?=)([^\x00-\x1f\x7f,]{1,200})")
_RULE = re.compile(r"[A-Za-z][\w*?]{0,63}")
_SPAN = re.compile(r"([0-9]{1,7})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# What a matcher takes for something else than itself, or not at all: any one character fits there.
_AWKWARD = re.compile(r"[\x00-\x1f\x7f,*?\[\]]")
_WILD = re.compile(r"[*?\[]")
LONGEST_PATTERN = 200


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label and what it has to be, or must not be; * and ? stand for anything."""

    label: str
    pattern: str
    equal: bool = True

    def matches(self, facts: Mapping[str, str]) -> bool:
        return fnmatchcase(facts.get(self.label, ""), self.pattern) is self.equal

    def __str__(self) -> str:
        return f"{self.label}{'=' if self.equal else '!='}{self.pattern}"


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts_at` until `ends_at` nobody is told of what all its matchers match."""

    id: str
    matchers: tuple[Matcher, ...]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime

    def mutes(self, facts: Mapping[str, str], now: datetime) -> bool:
        lasting = self.starts_at <= now < self.ends_at
        return lasting and all(one.matches(facts) for one in self.matchers)

    @property
    def text(self) -> str:
        return ",".join(map(str, self.matchers))


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """ "MemoryHigh", "rule=Memory*,severity!=critical": InvalidSilence says what is allowed."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InvalidSilence("a silence needs at least one matcher, such as rule=MemoryHigh")
    return tuple(map(_matcher, words))


def refuse_unknown(matchers: Iterable[Matcher], rules: Collection[str]) -> None:
    """InvalidSilence for a rule that is not among these: a typing error would mute nothing, and
    nobody would notice before the night."""
    for one in matchers:
        if one.label == "rule" and one.pattern not in rules and not _WILD.search(one.pattern):
            like = nearest(one.pattern, rules)
            raise InvalidSilence(
                f"there is no rule {one.pattern[:64]!r}{f'; is it {like}?' if like else ''}"
            )


def _matcher(word: str) -> Matcher:
    if _RULE.fullmatch(word):
        return Matcher("rule", word)
    found = _MATCHER.fullmatch(word)
    if found is None or found[1] not in LABELS:
        raise InvalidSilence(
            f"{word[:60]!r} is no matcher: give the name of a rule, or label=value or label!=value"
            f" of {', '.join(LABELS)}"
        )
    return Matcher(found[1], found[3], found[2] == "=")


def matchers_of(facts: Mapping[str, str]) -> str:
    """What `parse_matchers` reads as matching an alert of these facts, whatever its severity: that
    may change while it goes on."""
    known = {label: facts[label] for label in LABELS if facts.get(label) and label != "severity"}
    return ",".join(f"{label}={_pattern(value)}" for label, value in known.items())


def _pattern(value: str) -> str:
    found = _AWKWARD.sub("?", value)
    cut = found if len(found) <= LONGEST_PATTERN else found[: LONGEST_PATTERN - 1] + "*"
    # A word is read without the spaces around it.
    return re.sub(r"^\s+|\s+$", lambda spaces: "?" * len(spaces[0]), cut)


def span_seconds(text: str) -> float:
    """How long "30m", "2h" or "3d" is."""
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise InvalidSilence(f"must be a span such as 30m, 2h or 3d, not '{text[:40]}'")
    return float(int(found[1]) * _SECONDS[found[2]])


def checked(seconds: float, reason: str) -> str:
    """The reason in one line, of a silence that lasts so long; InvalidSilence where it may not."""
    if not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidSilence(
            f"a silence lasts more than nothing and at most {LONGEST_SECONDS / 86_400:.0f} days"
        )
    line = " ".join(reason.split())
    if not line or len(line) > LONGEST_REASON or not line.isprintable():
        raise InvalidSilence(f"a silence needs a reason of 1 to {LONGEST_REASON} characters")
    return line
