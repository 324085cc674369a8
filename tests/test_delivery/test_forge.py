"""The client of GitHub: pages, odd answers, and text of others on the page of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery import forge as forge_module
from delivery.errors import DeliveryError, PlatformError
from delivery.forge import Forge, Summary, cell, moment, need, table
from tests.test_delivery.github_fake import TOKEN, Fault, GitHub, user
from tests.test_delivery.github_schema import make


@pytest.fixture
def forge(hub: GitHub) -> Forge:
    return Forge.from_environment(hub.variables(), sleep=lambda seconds: None)


def test_every_page_is_read_once(hub: GitHub, forge: Forge) -> None:
    hub.issues = [make("issue", number=number, state="open") for number in range(250)]
    found = [issue["number"] for issue in forge.pages("issues", state="all")]
    assert found == list(range(250))
    assert len(hub.requests) == 3


def test_a_list_without_an_end_is_broken_off(
    hub: GitHub, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forge_module, "MOST_PAGES", 2)
    hub.issues = [make("issue", number=number, state="open") for number in range(250)]
    with pytest.raises(PlatformError, match="more than 200 items"):
        list(forge.pages("issues"))


def test_the_next_page_is_asked_of_the_same_host_alone(hub: GitHub, forge: Forge) -> None:
    elsewhere = {"link": '<https://elsewhere.example/issues?page=2>; rel="next"'}
    hub.faults.append(Fault("GET", "/issues$", 200, [], elsewhere))
    with pytest.raises(PlatformError, match="another host"):
        list(forge.pages("issues"))


@pytest.mark.parametrize("body", [{}, "x", [1], [[]], None])
def test_a_list_of_something_else_is_odd(hub: GitHub, forge: Forge, body: object) -> None:
    hub.faults.append(Fault("GET", "/issues$", 200, body))
    with pytest.raises(PlatformError, match="not what its API promises"):
        list(forge.pages("issues"))


def test_a_used_up_limit_is_waited_for_as_long_as_asked(hub: GitHub) -> None:
    slept: list[float] = []
    forge = Forge.from_environment(hub.variables(), sleep=slept.append)
    hub.environments["staging"] = make("environment", name="staging")
    headers = {"retry-after": "7", "x-ratelimit-remaining": "12"}
    hub.faults.append(Fault("GET", "staging$", 403, {"message": "secondary"}, headers, times=1))
    hub.faults.append(
        Fault("GET", "staging$", 429, {"message": "x"}, {"retry-after": "3"}, times=1)
    )
    assert forge.get("environments", "staging")["name"] == "staging"
    assert slept == [7.0, 3.0]


@pytest.mark.parametrize("name", ["GITHUB_REPOSITORY", "GITHUB_TOKEN"])
def test_what_is_not_set_is_said(hub: GitHub, name: str) -> None:
    with pytest.raises(DeliveryError, match=f"{name} is not set"):
        Forge.from_environment({**hub.variables(), name: " "})


@pytest.mark.parametrize("repository", ["mltrading", "a/b/c", "a/../b", "a b/c", "/"])
def test_a_repository_is_owner_and_name(hub: GitHub, repository: str) -> None:
    with pytest.raises(DeliveryError, match="not OWNER/NAME"):
        Forge.from_environment({**hub.variables(), "GITHUB_REPOSITORY": repository})


def test_parts_of_an_address_stay_parts(forge: Forge) -> None:
    assert forge.path("environments", "a/b?c") == (
        "/repos/trading-house/mltrading/environments/a%2Fb%3Fc"
    )


def test_the_token_is_never_shown(forge: Forge) -> None:
    assert TOKEN not in repr(forge)


def test_fields_are_of_their_kind() -> None:
    body = {"n": True, "t": "2026-11-02T10:00:00Z", "z": "2026-11-02T10:00:00", "w": "x" * 999}
    assert moment(body, "t").tzinfo is not None
    for name, kind in (("n", int), ("t", int), ("absent", str)):
        with pytest.raises(PlatformError, match=f"'{name}' is .* not {kind.__name__}"):
            need(body, name, kind)
    with pytest.raises(PlatformError, match="without its zone"):
        moment(body, "z")
    with pytest.raises(PlatformError, match="not a time") as long:
        moment(body, "w")
    assert len(str(long.value)) < 200
    with pytest.raises(PlatformError):
        need([], "n", int)


def test_text_of_others_stays_in_its_cell() -> None:
    assert cell("a|b\n<b>`@x`&") == "a\\|b &lt;b&gt;'@\u200bx'&amp;"
    assert table(["x"], [["1"]]) == ["| x |", "| --- |", "| 1 |"]


def test_a_summary_is_printed_and_added_to_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    Summary(["one"]).write({"GITHUB_STEP_SUMMARY": str(page)})
    Summary(["two"]).write({"GITHUB_STEP_SUMMARY": str(page)})
    Summary(["three"]).write({})
    assert page.read_text() == "one\n\ntwo\n\n"
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_the_fake_notices_what_github_would_refuse(hub: GitHub, forge: Forge) -> None:
    hub.branches.add("main")
    with pytest.raises(PlatformError):
        forge.get("no", "such", "place")
    forge.client.post(forge.path("issues"), {"title": "x", "colour": "red"})
    forge.get("issues", state="everything")
    hub.issues = [{"number": 1, "state": "open", "labels": [], "user": user("x")}]
    forge.get("issues")
    found = hub.problems
    hub.problems = []  # the fixture wants none
    assert "GitHub has no GET" in found[0]
    assert any("takes no 'colour'" in each for each in found)
    assert any("knows no state=everything" in each for each in found)
    assert any("is a required property" in each for each in found)
