"""The smoke test waits for a release that starts, and not for one that is wrong."""

from __future__ import annotations

import pytest

from delivery.errors import SmokeFailed
from delivery.smoke import WRONG_ROUNDS
from tests.test_delivery.releases import Fault, Release, said
from tests.test_delivery.smoke_faults import FAULTS, on
from tests.test_delivery.smoke_stage import Time, check

pytestmark = pytest.mark.database


def until(moment: float, time: Time, fault: Fault) -> Fault:
    """The fault until that second of the clock."""
    return lambda path, sent: fault(path, sent) if time.now < moment else sent


STARTS = {
    "a router without a process": on("/*", lambda s: said(s, "no process", 503)),
    "the release before": FAULTS["live answers as the release before"][0],
    "another commit": FAULTS["live with another commit"][0],
    "not ready": FAULTS["not ready"][0],
}


@pytest.mark.parametrize("fault", STARTS.values(), ids=STARTS)
def test_a_release_that_starts_is_waited_for(release: Release, address: str, fault: Fault) -> None:
    time = Time()
    release.fault = until(time.now + 7, time, fault)
    assert check(address, clock=time.clock)
    assert 7 <= sum(time.slept) < 12


@pytest.mark.parametrize("fault", STARTS.values(), ids=STARTS)
def test_the_wait_ends(release: Release, address: str, fault: Fault) -> None:
    time = Time()
    release.fault = fault
    with pytest.raises(SmokeFailed, match="does not work after 10 s"):
        check(address, clock=time.clock, wait_seconds=10)
    assert sum(time.slept) == 10


def test_one_that_is_up_and_wrong_is_not_waited_for(release: Release, address: str) -> None:
    time = Time()
    release.fault = FAULTS["charts without a bar"][0]
    with pytest.raises(SmokeFailed, match="does not work after 9 s"):
        check(address, clock=time.clock)
    assert len(time.slept) == WRONG_ROUNDS - 1


def test_a_moments_trouble_is_forgiven(release: Release, address: str) -> None:
    time = Time()
    release.fault = until(time.now + 5, time, FAULTS["a callback that fails"][0])
    assert check(address, clock=time.clock)


def test_good_rounds_count_only_in_a_row(
    release: Release, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    time = Time()
    bad = {time.now + 3, time.now + 9}  # the second and the fourth round
    fault = FAULTS["live with another commit"][0]
    release.fault = lambda path, sent: fault(path, sent) if time.now in bad else sent
    assert check(address, clock=time.clock, consecutive=3)
    assert sum(time.slept) == 18
    assert "3 good rounds in a row" in capsys.readouterr().out


def test_too_few_good_rounds_in_the_time_is_a_failure_that_says_so(
    release: Release, address: str
) -> None:
    with pytest.raises(SmokeFailed, match=r"good 3 times in a row, not 9, within 6 s"):
        check(address, consecutive=9, wait_seconds=6)


def test_a_long_wait_is_told_in_few_lines(release: Release, address: str) -> None:
    told: list[str] = []
    release.fault = FAULTS["live with another commit"][0]
    with pytest.raises(SmokeFailed):
        check(address, tell=told.append, wait_seconds=600)
    assert sum("not up yet" in line for line in told) == 1
