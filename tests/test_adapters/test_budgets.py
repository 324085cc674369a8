"""budgets.toml: one file of limits, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from mltrading.adapters.budgets import read_budgets
from mltrading.errors import ConfigurationError
from mltrading.services.ports.operations import LIVE

pytestmark = pytest.mark.smoke

GOOD = '[[budget]]\nname = "a"\nwhat = "b"\nlimit = 5\nunit = "ms"\n'


def test_the_package_carries_one_that_watches_all_that_can_be_watched() -> None:
    found = read_budgets()
    assert {one.live for one in found} == {"", *LIVE}
    assert all(one.limit > 0 for one in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold"),
        ("budget = 5", "must hold"),
        (f"x = 1\n{GOOD}", "must hold"),
        ("[[budget", "can not read"),
        (GOOD.replace("limit = 5", ""), "budget 1 needs 'limit'"),
        (GOOD.replace("limit = 5", "limit = true"), "budget 1 needs 'limit'"),
        (GOOD.replace("limit = 5", 'limit = "5"'), "budget 1 needs 'limit'"),
        (f"{GOOD}more = 5", "unknown 'more'"),
        (f'{GOOD}live = "somewhere"', "'live' must be one of load_p75"),
        (GOOD + GOOD, "'a' is given twice"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="budgets.toml") as raised:
        read_budgets(path)
    assert said in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can not read"):
        read_budgets(tmp_path / "none.toml")
