"""Each setting, what it is and where that was said; and names that were meant to be one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from mltrading.settings.file import EnvironmentFile, read_environment_file
from mltrading.settings.variables import Variables
from mltrading.settings.written import Place
from mltrading.utils.text import nearest, one_line

SHORTEST_GUESSED = 7  # letters: HOST, PORT and DYNO are near too many names of others
CLOSENESS = 0.85
DEFAULT = "default"
_CREDENTIALS = re.compile(r"//[^/\s]*@")  # in an address


@dataclass(frozen=True, slots=True)
class Setting:
    """`value` is None where it is secret or nothing; `secret` says which."""

    name: str
    value: str | None
    source: str
    secret: bool = False

    @property
    def shown(self) -> str:
        if self.secret:
            return "not set" if self.source == DEFAULT else "set, not shown"
        return "not set" if self.value is None else one_line(self.value)


def variables_of(environment: Mapping[str, str], variables: Variables) -> Iterator[Setting]:
    """Each environment variable; an empty one counts as not set."""
    given = {name.upper() for name, value in environment.items() if value}
    for field, info in Variables.model_fields.items():
        name, value = field.upper(), getattr(variables, field)
        source = "environment" if name in given else DEFAULT
        yield _setting(name, value, source, secret=_is_secret(info))


def keys_of(path: Path | None) -> Iterator[Setting]:
    """Each key of `<environment>.yml`; None: there is no file, all are the defaults."""
    lines: Mapping[Place, int] = {}
    file = EnvironmentFile(environment="development")
    if path is not None:
        file, lines = read_environment_file(path)
    for at, value in leaves(file):
        source = f"{path.name} line {lines[at]}" if path and at in lines else DEFAULT
        left_open = at[0] == "security" and value is None
        yield _setting(".".join(at), "on where users sign in" if left_open else value, source)


def leaves(model: BaseModel, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a file with the place of its key."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, (*at, name))
        else:
            yield (*at, name), value


def near_misses(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name in the environment, setting that it was most likely meant to be)."""
    known = [name.upper() for name in Variables.model_fields]
    bare = {name.replace("_", ""): name for name in known}
    present = {name.upper() for name in names}
    for name in sorted(set(names)):
        if name.upper() in known:
            continue
        meant = bare.get(name.upper().replace("_", "").replace("-", ""))
        if meant is None and len(name) >= SHORTEST_GUESSED:
            meant = nearest(name, [one for one in known if one not in present], CLOSENESS)
        if meant is not None:
            yield name, meant


def _setting(name: str, value: Any, source: str, secret: bool = False) -> Setting:
    if secret or value is None:
        return Setting(name, None, source, secret)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _CREDENTIALS.search(text):
        return Setting(name, None, source, secret=True)
    return Setting(name, text, source)


def _is_secret(info: FieldInfo) -> bool:
    return SecretStr in getattr(info.annotation, "__args__", (info.annotation,))
