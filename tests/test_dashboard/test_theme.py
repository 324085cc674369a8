"""The tokens: one file, both themes complete, contrast as the design asks."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from mltrading.dashboard import theme
from mltrading.dashboard.serving import static_folder

COLOUR = re.compile(r"#[0-9a-f]{6}$")


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_measure_is_right() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.smoke
def test_themes_name_the_same_tokens() -> None:
    assert theme.palette("dark").keys() == theme.palette("light").keys()
    assert theme.palette("dark")["ground"] == "#0f1318"
    assert theme.palette("light")["ground"] == "#ffffff"


def test_later_rule_wins_and_comments_count_for_nothing() -> None:
    css = ":root{--a: 1;--b: 2;} :root[data-theme='x']{--a: 9;} /* --c: 3; */"
    assert theme._parse(css.replace("'", '"'), "x") == {"a": "9", "b": "2"}
    assert theme._parse(css, "dark") == {"a": "1", "b": "2"}


@pytest.mark.parametrize("name", theme.THEMES)
@pytest.mark.parametrize(
    "text", ["text", "muted", "accent-text", "up-text", "down-text", "warning"]
)
@pytest.mark.parametrize("ground", ["ground", "panel"])
def test_text_is_readable(name: str, text: str, ground: str) -> None:
    palette = theme.palette(name)
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.parametrize("name", theme.THEMES)
def test_text_on_special_grounds_is_readable(name: str) -> None:
    palette = theme.palette(name)
    for text, ground in (
        ("text", "raised"),
        ("muted", "raised"),
        ("text", "selected"),
        ("text", "error-ground"),
        ("text", "warning-ground"),
        ("on-accent", "accent"),
        ("on-bar", "up"),
        ("on-bar", "down"),
    ):
        assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)


@pytest.mark.parametrize("name", theme.THEMES)
def test_lines_that_carry_meaning_stand_out(name: str) -> None:
    palette = theme.palette(name)
    meaning = ["up", "down", "cb-up", "cb-down", "accent", "line-strong"]
    for token in [*meaning, *(f"series-{i}" for i in range(1, 9))]:
        assert contrast(palette[token], palette["ground"]) >= 3, token


def test_palette_is_plain_values() -> None:
    """Figures can not follow var()."""
    assert all("var(" not in value for value in theme.palette("dark").values())
    assert COLOUR.match(theme.palette("dark")["up"])


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [("theme=light", "light"), ("theme=dark", "dark"), ("theme=<b>", "dark"), ("", "dark")],
)
def test_theme_is_the_cookies_or_dark(cookie: str, expected: str) -> None:
    with Flask("here").test_request_context("/", headers={"Cookie": cookie}):
        assert theme.current() == expected


def test_theme_outside_a_request_is_dark() -> None:
    assert theme.current() == "dark"


def test_style_sheets_hold_no_colour_of_their_own() -> None:
    """Colours live in tokens.css alone; black in a mask is shape, not colour."""
    for path in [static_folder() / "app.css", *(static_folder() / "css").glob("*.css")]:
        text = re.sub(r"url\([^)]*\)|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*\})", text), path.name
