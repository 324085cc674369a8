"""Every value of every environment variable is taken, or refused in one line that names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from mltrading.cli.doctor.protection import examine
from mltrading.errors import ConfigurationError
from mltrading.settings import Settings, load_settings
from mltrading.settings.variables import Variables
from tests.factories import SECRET_KEY

NAMES = [name.upper() for name in Variables.model_fields]
SECRET = {
    field.upper()
    for field, info in Variables.model_fields.items()
    if SecretStr in getattr(info.annotation, "__args__", (info.annotation,))
}
TOGETHER = {"OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}
# What an environment can hold, and much of what people and machines put there.
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60),
    st.sampled_from(
        [" ", "0", "-1", "1e9", "true", "on ", "none", "http://[", "https://a b", "postgresql://["]
        + ["postgresql://u:p@h:99999/d", "rediss://:x@h:y", "//", "10/0", "1/2/3", "/", "..", "~"]
        + ["file:///etc/passwd", "https://me:pw@id.example", "\u202e", "a\nb", "=", "%00", "é"]
    ),
)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name in NAMES or name.startswith("MLTRADING_"):
                patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def load(name: str, value: str) -> Settings:
    """A development where users sign in, with that one variable."""
    given = {"SECRET_KEY": SECRET_KEY, "MLTRADING_AUTH": "on"}
    if name in TOGETHER:
        known = {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "x"}
        given |= {**known, "OIDC_CLIENT_SECRET": "y"}
    if name == "DATABASE_OWNER_URL":
        given["DATABASE_URL"] = "postgresql://h/d"
    with environment(**{**given, name: value}):
        return load_settings()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(NAMES), value=VALUES)
@example("OIDC_ISSUER", "https://[")
@example("DATABASE_URL", "postgresql://me:secret-word@[/d")
@example("MLTRADING_HOME", "~no-such-user/x")
@example("SECRET_KEY", "short secret word")
def test_any_value_is_taken_or_refused_by_its_name(name: str, value: str) -> None:
    try:
        read = load(name, value)
    except ConfigurationError as error:
        said = str(error)
        assert said.replace(value, "").isprintable(), said  # the command line cleans the rest
        assert name in said or (name == "MLTRADING_CONFIG" and "can not read" in said)
        if name in SECRET and len(value) > 8:
            assert value not in said
    else:
        list(examine(read))  # what was taken can be looked at
        if name in SECRET and len(value) > 8:
            assert value not in repr(read)


@pytest.mark.parametrize("name", ["mltrading_hom", "Mltrading_Porxy", "MLTRADING_SECRET_KEY"])
def test_an_unknown_name_of_ours_is_refused_however_it_is_written(name: str) -> None:
    with environment(**{name: "x"}), pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"unknown setting {name} in the environment" in str(caught.value)


def test_a_name_in_small_letters_is_read(tmp_path: Path) -> None:
    with environment(mltrading_home=str(tmp_path), port="9001"):
        read = load_settings()
    assert (read.home, read.port) == (tmp_path, 9001)
