"""The rule of migrations as a checker: the release before must be able to run on what it leaves.

Releases overlap while one follows the other, and a rollback brings the older one back onto the
newer schema. So from migration 2 on a file only adds; what takes away is marked
`-- contract: <version>`, the schema version from which on no program uses it any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FIRST_BOUND = 2
_TEXT_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CREATED = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([\w.\"]+)")
_ALTERED = re.compile(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w.\"]+)")
_ON = re.compile(r"\bON ([\w.\"]+)")
_BREAKING = {
    r"\bDROP (?!DEFAULT|NOT NULL)": "takes away what the release before may use",
    r"\bRENAME\b": "renames what the release before knows",
    r"\bTYPE\b": "changes a type under the release before",
    r"\bSET NOT NULL\b": "refuses rows that the release before writes",
    r"\bADD (?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b": (
        "refuses rows that the release before writes"
    ),
    r"\bTRUNCATE\b": "takes away rows",
    r"^DELETE\b": "takes away rows",
    r"^CREATE UNIQUE INDEX\b": "refuses rows that the release before writes",
    r"^DO\b": "can not be read by this check",
    r"^REVOKE\b": "takes away a right",
}
_ADDED = re.compile(r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?[\w\"]+ [^,]*")


def breaks(sql: str) -> list[str]:
    """Every statement of a migration that the release before could not live with."""
    plain = re.sub(r"\s+", " ", _TEXT_OR_COMMENT.sub(" ", sql)).upper()
    created = set(_CREATED.findall(plain))
    found = []
    for statement in map(str.strip, plain.split(";")):
        table = _ALTERED.search(statement) or _ON.search(statement)
        if table is None or table[1] not in created:  # a table of its own harms nobody
            found += [f"{reason}: {statement[:80]}" for reason in _reasons(statement)]
    return found


def _reasons(statement: str) -> Iterator[str]:
    for pattern, reason in _BREAKING.items():
        if re.search(pattern, statement) and not statement.startswith("CREATE TABLE"):
            yield reason
    if statement.startswith("ALTER TABLE"):
        for column in _ADDED.findall(statement):
            if "NOT NULL" in column and not re.search("DEFAULT|GENERATED", column):
                yield "adds a column that the release before does not fill"
