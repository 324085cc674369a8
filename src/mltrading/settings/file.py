"""`<environment>.yml`: its shape, read strictly. ConfigurationError names the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mltrading.errors import ConfigurationError
from mltrading.files import compose, explained
from mltrading.settings.saying import found, suggest

EnvironmentName = Literal["development", "staging", "production"]
Switch = Annotated[bool, Field(description="true or false")]
Text = Annotated[str, Field(min_length=1, description="a text")]


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

    host: Text | None = None
    name: Text | None = None
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
    csrf_protection: Switch = False
    rate_limiting: Switch = False


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
    """Read one file strictly; ConfigurationError names the line of what is wrong."""
    lines: dict[tuple[str, ...], int] = {(): 1}
    with explained(path):
        values = _plain(compose(path), (), lines, path)
    try:
        return EnvironmentFile.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain_key(dict(error.errors()[0]), lines, path)) from None


def _plain(
    node: object, at: tuple[str, ...], lines: dict[tuple[str, ...], int], path: Path
) -> object:
    """The values of a YAML node; fills `lines` and refuses a key given twice."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return yaml.SafeLoader("").construct_object(node, deep=True) if node else None
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in values:
            raise ConfigurationError(
                f"{path} line {line}: '{key}' is given twice (first on line {lines[*at, key]})"
            )
        lines[*at, key] = line
        values[key] = _plain(value_node, (*at, key), lines, path)
    return values


def _explain_key(error: dict[str, Any], lines: dict[tuple[str, ...], int], path: Path) -> str:
    at = tuple(map(str, error["loc"]))
    known = max((place for place in lines if at[: len(place)] == place), key=len)
    where = f"{path} line {lines[known]}"
    section = _section(at[:-1])
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{'.'.join(at)}'; {suggest(at[-1], list(section))}"
    if error["type"] == "missing":
        return f"{where}: '{'.'.join(at)}' is missing"
    description = section[at[-1]] if at and at[-1] in section else "a block of settings"
    return f"{where}: {'.'.join(at) or 'the file'} must be {description}{found(error['input'])}"


def _section(at: tuple[str, ...]) -> dict[str, str]:
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
