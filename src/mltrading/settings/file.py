"""`<environment>.yml`: its shape, read strictly. ConfigurationError names the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mltrading.errors import ConfigurationError
from mltrading.files import compose, explained
from mltrading.settings.saying import LONGEST_SHOWN, found, suggest
from mltrading.settings.written import Place, plain
from mltrading.utils.text import one_line

EnvironmentName = Literal["development", "staging", "production"]
Switch = Annotated[bool, Field(description="true or false")]
Text = Annotated[str, Field(min_length=1, description="a text")]
Name = Annotated[
    str | None, Field(pattern=r"^\S+$", description="a text without spaces (a number in quotes)")
]
OpenSwitch = Annotated[bool | None, Field(description="true or false")]


class Section(BaseModel):
    """A block of the file: no unknown key, no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Features(Section):
    """What this deployment shows. Development shows everything."""

    advanced_charts: Switch = True
    comparison_mode: Switch = True
    test_mode: Switch = True


class DatabaseSection(Section):
    """`host` and `name` fill what DATABASE_URL leaves out; `connection_pool` counts connections
    of all web workers together."""

    host: Name = None
    name: Name = None
    ssl_required: Switch = False
    connection_pool: Annotated[
        int, Field(ge=2, le=500, description="a whole number from 2 to 500")
    ] = 16


class Monitoring(Section):
    enabled: Switch = True
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="one of debug, info, warning, error"),
    ] = "warning"
    alerts: Switch = False


class Security(Section):
    """None: not said, so it is on wherever users sign in."""

    csrf_protection: OpenSwitch = None
    rate_limiting: OpenSwitch = None


class EnvironmentFile(Section):
    """The whole of staging.yml or production.yml."""

    environment: Annotated[
        EnvironmentName, Field(description="one of development, staging, production")
    ]
    debug_mode: Switch = False
    database: DatabaseSection = DatabaseSection()
    features: Features = Features()
    monitoring: Monitoring = Monitoring()
    security: Security = Security()


def parse_environment_file(path: Path) -> EnvironmentFile:
    """Read one file strictly; ConfigurationError names the line of what is wrong first."""
    return read_environment_file(path)[0]


def read_environment_file(path: Path) -> tuple[EnvironmentFile, dict[Place, int]]:
    """The same, with the line of each key."""
    lines: dict[Place, int] = {(): 1}
    with explained(path):
        values = plain(compose(path), (), lines, path)
    try:
        return EnvironmentFile.model_validate(values), lines
    except ValidationError as error:
        raise ConfigurationError(_explain_first(error, lines, path)) from None


def _explain_first(error: ValidationError, lines: dict[Place, int], path: Path) -> str:
    """What is wrong first; before a key that is missing the one that was meant to be it."""
    found = [dict(one) for one in error.errors()]
    first = min(found, key=lambda one: (one["type"] == "missing", _line(one, lines)))
    return _explain_key(first, lines, path)


def _line(error: dict[str, Any], lines: dict[Place, int]) -> int:
    """That of the key; of its block where the key is missing."""
    at = tuple(map(str, error["loc"]))
    return lines[max((place for place in lines if at[: len(place)] == place), key=len)]


def _explain_key(error: dict[str, Any], lines: dict[Place, int], path: Path) -> str:
    at = tuple(map(str, error["loc"]))
    where = f"{path} line {_line(error, lines)}"
    section = allowed(at[:-1])
    if error["type"] == "extra_forbidden":
        key = one_line(at[-1])
        named = ".".join([*at[:-1], key]) if len(key) <= LONGEST_SHOWN else "a long key"
        return f"{where}: unknown setting '{named}'; {suggest(at[-1], list(section))}"
    if error["type"] == "missing":
        return f"{where}: '{'.'.join(at)}' is missing"
    description = section[at[-1]] if at and at[-1] in section else "a block of settings"
    return f"{where}: {'.'.join(at) or 'the file'} must be {description}{found(error['input'])}"


def allowed(at: tuple[str, ...]) -> dict[str, str]:
    """Each key that is allowed in the block at that place, with what its value may be."""
    model: type[BaseModel] = EnvironmentFile
    for key in at:
        annotation = model.model_fields[key].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        model = annotation
    return {
        name: field.description or "a block of settings"
        for name, field in model.model_fields.items()
    }
