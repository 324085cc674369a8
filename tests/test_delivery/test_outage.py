"""What `promote` announces of an outage, `metrics` reads: nothing when visitors saw none."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from delivery.errors import DeliveryError
from delivery.outage import Outage, read_outage
from delivery.promote import promote
from tests.test_delivery.heroku_stage import LIVE, NEW, Stage, stage

COMMAND = re.compile(r"^::error title=(.*?)::(.*)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def in_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def announced(on: Stage, capsys: pytest.CaptureFixture[str]) -> list[Outage | None]:
    with pytest.raises(DeliveryError):
        promote(on.delivery(), NEW)
    found = COMMAND.findall(capsys.readouterr().out)
    return [read_outage({"title": title, "message": message}) for title, message in found]


def test_a_release_rolled_back_is_an_outage_with_both_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stage() as on:
        on.world.apps["mltrading-prod"].bad_commits.add(NEW)
        (outage,) = announced(on, capsys)
    assert outage is not None and outage.healthy_at is not None
    assert outage.failed_at <= outage.healthy_at
    assert datetime.now(timezone.utc) - outage.failed_at < timedelta(minutes=5)


def test_one_that_going_back_did_not_end_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    with stage() as on:
        on.world.apps["mltrading-prod"].bad_commits.update([NEW, LIVE])
        (outage,) = announced(on, capsys)
    assert outage is not None and outage.healthy_at is None


def test_a_release_that_is_bad_on_green_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with stage() as on:
        on.world.apps["mltrading-green"].bad_commits.add(NEW)
        assert announced(on, capsys) == []
