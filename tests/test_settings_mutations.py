"""Every slip in a configuration file is refused with its line, or changes nothing.

The files are the committed ones, and what befalls them is what happens to people: a letter too
many, a value of another kind, a comment that swallows a value, a line twice, a lost indentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mltrading.alerting import parse_alerting_file
from mltrading.errors import ConfigurationError
from mltrading.files import ROOT
from mltrading.settings import parse_environment_file
from mltrading.settings.file import EnvironmentFile

FILES = ("staging.yml", "production.yml", "alerting.yml")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
LETTERS = "abcdefghijklmnopqrstuvwxyz_"
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def parse(path: Path, text: str) -> Any:
    """What the program makes of the file, in plain values."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    if path.name == "alerting.yml":
        read = parse_alerting_file(path).channels
        return {name: [{one.kind: one.target} for one in read[name]] for name in read}
    return parse_environment_file(path).model_dump(exclude_unset=True)


def as_written(name: str, text: str) -> Any:
    """The same by YAML alone."""
    read = yaml.safe_load(text)
    return read["channels"] if name == "alerting.yml" else read


def refused(path: Path, text: str) -> tuple[int, str]:
    """The line and the message of the refusal."""
    with pytest.raises(ConfigurationError) as caught:
        parse(path, text)
    said = str(caught.value)
    assert said.isprintable(), said
    found = re.match(rf"{re.escape(str(path))} line (\d+): ", said)
    assert found, said
    return int(found[1]), said


def numbered(name: str, pattern: str) -> list[int]:
    """The lines of a file, counted from 1, that fit."""
    lines = TEXTS[name].splitlines()
    return [at for at, line in enumerate(lines, 1) if re.fullmatch(pattern, line)]


KEY = r"( *)([a-z]\w*):(.*)"  # names of rules, which begin with a capital, are free
ENTRY = r"( *- )(\w+): (.*)"
places = st.sampled_from(
    [(name, at) for name in FILES for at in numbered(name, KEY) + numbered(name, ENTRY)]
)
values = st.sampled_from(
    [(name, at) for name in FILES for at in numbered(name, r" *(- )?\w+: \S.*")]
)


def changed(name: str, at: int, change: Callable[[str], str]) -> str:
    lines = TEXTS[name].splitlines()
    lines[at - 1] = change(lines[at - 1])
    return "\n".join(lines) + "\n"


def key_of(line: str) -> str:
    found = re.search(r"\w+", line)
    assert found
    return found[0]


@st.composite
def typos(draw: st.DrawFn, word: str) -> str:
    """The word with a letter left out, put in, exchanged or turned around."""
    at = draw(st.integers(0, len(word) - 1))
    letter = draw(st.sampled_from(LETTERS))
    made = draw(
        st.sampled_from(
            [
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at:],
                word[:at] + letter + word[at + 1 :],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
                word.upper(),
            ]
        )
    )
    assume(made not in ("", word))
    return made


@many
@given(place=places, data=st.data())
def test_a_misspelt_key_is_unknown_on_its_line(
    tmp_path: Path, place: tuple[str, int], data: st.DataObject
) -> None:
    name, at = place
    key = key_of(TEXTS[name].splitlines()[at - 1])
    wrong = data.draw(typos(key))
    text = changed(name, at, lambda line: line.replace(key, wrong, 1))
    line, said = refused(tmp_path / name, text)
    assert line == at
    assert "unknown" in said and "known: " in said


SWALLOWED = ("# x", "#x", "", "~", "null", "# true", "#")


@many
@given(place=values, value=st.sampled_from(SWALLOWED))
def test_a_value_that_is_swallowed_is_missed_on_its_line(
    tmp_path: Path, place: tuple[str, int], value: str
) -> None:
    name, at = place
    text = changed(name, at, lambda line: f"{line[: line.index(':')]}: {value}")
    line, said = refused(tmp_path / name, text)
    assert line == at
    assert said.endswith("; a text that begins with # needs quotes")


KINDS: dict[type, tuple[str, ...]] = {
    bool: (
        "maybe", '"true"', "1", "0.5", "yes", "off", "[true]", "{a: true}", "2024-01-01", "!!str x",
    ),
    int: (
        "'20'", "20.0", "020", "0x14", "1:30", "1_0", "1", "501", "-5", "2e1", "true", "[20]", "0b",
    ),
    list: ("true", "12", "[]", "a", "'a'", "{a: b}", "[[a]]", "[true]", "!x y"),
    str: (
        "true", "12", "1.5", "[a]", "{a: b}", "2024-13-45", "yes", ".inf", '""', '"a b"', "!x y",
    ),
}  # fmt: skip


def test_a_rule_that_mutes_an_unknown_one_is_refused_on_the_line_that_says_so(
    tmp_path: Path,
) -> None:
    lines = TEXTS["alerting.yml"].splitlines()
    at = next(number for number, line in enumerate(lines, 1) if "mutes: all" in line)
    text = changed("alerting.yml", at, lambda line: line.replace("all", "[a]"))
    line, said = refused(tmp_path / "alerting.yml", text)
    assert line == at and "must be 'all', or a list of rules: 'a' is no other rule" in said


@many
@given(place=values, data=st.data())
def test_a_value_of_another_kind_is_refused_on_its_line(
    tmp_path: Path, place: tuple[str, int], data: st.DataObject
) -> None:
    name, at = place
    old = TEXTS[name].splitlines()[at - 1].partition(": ")[2]
    value = data.draw(st.sampled_from(KINDS[type(yaml.safe_load(old))]))
    text = changed(name, at, lambda line: line.replace(old, value))
    line, said = refused(tmp_path / name, text)
    assert line == at
    assert "must be" in said or "not allowed" in said


@many
@given(place=places)
def test_a_line_that_stands_twice_is_refused_where_it_stands_again(
    tmp_path: Path, place: tuple[str, int]
) -> None:
    name, at = place
    line = TEXTS[name].splitlines()[at - 1]
    text = changed(name, at, lambda line: f"{line}\n{line}")
    where, said = refused(tmp_path / name, text)
    if line.rstrip().endswith(":"):  # the first of the two has no value any more
        assert where in (at, at + 1)
    else:
        assert where == at + 1 and "given twice" in said


@many
@given(place=places, by=st.sampled_from((-4, -2, -1, 1, 2, 4)), tab=st.booleans())
def test_a_line_that_moved_aside_is_refused_beside_it(
    tmp_path: Path, place: tuple[str, int], by: int, tab: bool
) -> None:
    name, at = place
    line = TEXTS[name].splitlines()[at - 1]
    indent = len(line) - len(line.lstrip())
    assume(tab or 0 <= indent + by != indent)
    moved = f"\t{line}" if tab else " " * (indent + by) + line.lstrip()
    text = changed(name, at, lambda _: moved)
    try:
        meaning = parse(tmp_path / name, text)
    except ConfigurationError:
        where, _ = refused(tmp_path / name, text)
        # YAML notices a block that moved out at the next one that did not.
        assert at - 1 <= where <= (at + 1 if line.rstrip()[-1] != ":" else next_block(name, at))
    else:  # a whole block may stand further in
        assert meaning == parse(tmp_path / name, TEXTS[name])


def next_block(name: str, at: int) -> int:
    """The line of the block after the one that begins there, or the last line."""
    lines = TEXTS[name].splitlines()
    indent = re.match(" *", lines[at - 1])[0]  # type: ignore[index]
    after = (n for n, one in enumerate(lines[at:], at + 1) if re.match(rf"{indent}\w", one))
    return next(after, len(lines))


HARMLESS: dict[str, Callable[[str], str]] = {
    "a remark behind every value": lambda text: re.sub(r"(: \S+)$", r"\1  # why", text, flags=re.M),
    "a line of remarks between all": lambda text: re.sub(r"^", "# remark\n", text, flags=re.M),
    "empty lines": lambda text: text.replace("\n", "\n\n"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "keys in quotes": lambda text: re.sub(r"^( *(?:- )?)(\w+):", r'\1"\2":', text, flags=re.M),
    "no line end at the end": str.rstrip,
    "the beginning and the end of a document": lambda text: f"---\n{text}...\n",
    "four spaces for two": lambda text: re.sub(r"^( +)", r"\1\1", text, flags=re.M),
    "a byte order mark": lambda text: f"\ufeff{text}",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_changes_no_meaning_is_read_as_before(
    tmp_path: Path, name: str, change: Callable[[str], str]
) -> None:
    text = change(TEXTS[name])
    assert text != TEXTS[name]
    assert parse(tmp_path / name, text) == parse(tmp_path / name, TEXTS[name])


@many
@given(name=st.sampled_from(FILES), data=st.data())
def test_blocks_in_another_order_mean_the_same(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    read = yaml.safe_load(TEXTS[name])
    text = yaml.safe_dump(shuffled(data, read), sort_keys=False, default_flow_style=None)
    assert parse(tmp_path / name, text) == parse(tmp_path / name, TEXTS[name])


def shuffled(data: st.DataObject, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    order = data.draw(st.permutations(list(value)))
    return {key: shuffled(data, value[key]) for key in order}


NOISE = st.text(st.sampled_from(" #:'\"[]{}&*!|>%@`,-\t\n\0\u0007é😀axtrue10.~?"), max_size=3)


@settings(many, max_examples=200)
@given(name=st.sampled_from(FILES), data=st.data(), noise=NOISE, lost=st.integers(0, 3))
def test_any_slip_is_read_as_written_or_refused_with_a_line(
    tmp_path: Path, name: str, data: st.DataObject, noise: str, lost: int
) -> None:
    text = TEXTS[name]
    at = data.draw(st.integers(0, len(text)))
    slipped = text[:at] + noise + text[at + lost :]
    try:
        meaning = parse(tmp_path / name, slipped)
    except ConfigurationError:
        line, _ = refused(tmp_path / name, slipped)
        assert 1 <= line <= slipped.count("\n") + 1
    else:
        assert meaning == as_written(name, slipped)


def test_the_files_have_exactly_the_keys_that_are_allowed() -> None:
    production = parse_environment_file(ROOT / "production.yml")
    assert production.model_dump(exclude_unset=True).keys() == EnvironmentFile.model_fields.keys()
    for name in ("database", "features", "monitoring", "security"):
        section = getattr(production, name)
        assert section.model_fields_set == type(section).model_fields.keys()
    staging = yaml.safe_load(TEXTS["staging.yml"])
    assert list(staging) == [key for key in yaml.safe_load(TEXTS["production.yml"])][:-1]
