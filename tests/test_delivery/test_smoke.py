"""The smoke test finds each thing that can be wrong with a release.

The release is the real application over a real database; a fault breaks one answer of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from delivery.__main__ import main
from delivery.errors import DeliveryError, SmokeFailed
from delivery.smoke_checks import CHECKS
from tests.test_delivery.releases import COMMIT, Fault, Release, Sent
from tests.test_delivery.smoke_faults import CALLBACKS, FAULTS, changed
from tests.test_delivery.smoke_stage import Time, check, deploy, failed_checks

pytestmark = pytest.mark.database


def test_a_good_release_passes_every_check(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(address) == [name for name, _ in CHECKS]
    printed = capsys.readouterr().out
    assert COMMIT in printed
    assert "the chart of" in printed and "bars" in printed
    assert "slowest of" in printed


@pytest.mark.parametrize(("fault", "caught_by", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_caught_by_its_check(
    release: Release, address: str, fault: Fault, caught_by: str, words: str
) -> None:
    release.fault = fault
    with pytest.raises(SmokeFailed) as caught:
        check(address, wait_seconds=0)
    assert caught_by in failed_checks(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_check_has_a_fault_that_it_catches() -> None:
    # test_an_answer_that_takes_too_long, and test_smoke_login.py
    others = {"speed", "closed", "sign-in"}
    assert {named for _, named, _ in FAULTS.values()} == {name for name, _ in CHECKS} - others


def test_faults_of_one_answer_fail_one_check_alone(release: Release, address: str) -> None:
    release.fault = FAULTS["a file kept for a minute"][0]
    with pytest.raises(SmokeFailed) as caught:
        check(address, wait_seconds=0)
    assert failed_checks(caught.value) == {"assets"}


def test_an_answer_that_takes_too_long(release: Release, address: str) -> None:
    time = Time()

    def slow(path: str, sent: Sent) -> Sent:
        time.now += 11 if path == "/_dash-layout" else 0
        return sent

    release.fault = slow
    with pytest.raises(SmokeFailed, match=r"within 10 s, found /_dash-layout took 11\.00 s"):
        check(address, clock=time.clock)


def test_without_a_commit_none_is_compared_and_that_is_said(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.commit = "another"
    check(address, commit=None)
    assert "commit another (not compared: none was asked for)" in capsys.readouterr().out


def test_the_start_of_a_commit_is_enough_and_a_guess_is_refused(
    release: Release, address: str
) -> None:
    assert check(address, commit=COMMIT[:7])
    for wrong in ("", "main", COMMIT[:6], COMMIT.upper()):
        with pytest.raises(DeliveryError, match="is no commit"):
            check(address, commit=wrong)


def test_an_empty_database_is_a_release_that_works(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _, address in deploy(database_url, tmp_path):
        assert check(address) == [name for name, _ in CHECKS]
    assert "no symbol is stored: the pages for an empty database" in capsys.readouterr().out


def test_an_empty_table_is_no_empty_database(release: Release, address: str) -> None:
    def lose_rows(body: Any) -> Any:
        if "overview-drawn" in body["response"]:
            body["response"]["overview-drawn"]["data"]["overview-table"] = []
        return body

    release.fault = changed(CALLBACKS, lose_rows)
    with pytest.raises(SmokeFailed, match="expected symbols, or 'No market data yet'"):
        check(address)


def test_the_command_prints_the_checks_and_ends_well(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smoke", address, "--commit", COMMIT, "--wait", "0"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name:<12} ok " in printed for name, _ in CHECKS)


def test_the_command_fails_in_one_line(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.fault = FAULTS["health without its time"][0]
    assert main(["smoke", address, "--any-commit", "--wait", "0"]) == 1
    said_last = capsys.readouterr().err
    assert said_last.startswith("delivery: ") and said_last.count("\n") == 1
    assert "health: expected" in said_last
