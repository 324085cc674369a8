"""/metrics as text: what Prometheus reads is what was counted."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import pytest

from mltrading.dashboard.exposition import exposition
from mltrading.services.health import Running
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.operations import MachineState, Queue
from mltrading.services.vitals import IngestLag, Stored, Vital
from mltrading.utils import measures
from mltrading.utils.blocks import OVERFLOW
from mltrading.utils.tally import Tally
from tests.test_services.operations_made import NOON

pytestmark = pytest.mark.smoke

RUNNING = Running("0.1.0", "abc1234", None)
NASTY = 'a"b\\c\nd'


def vital(stored: Stored | None = None, **shares: float | None) -> Vital:
    state = DatabaseState.OK if stored else DatabaseState.TIMEOUT
    response = 0.004 if stored else math.nan
    return Vital(NOON, state, response, MachineState(**shares), stored)  # type: ignore[arg-type]


def lines(tally: Tally, now: Vital | None = None, rss: int | None = 5) -> list[str]:
    text = exposition(tally.everyone().entries, now or vital(), RUNNING, rss, [1, 2])
    assert text.endswith("\n")
    return text.splitlines()


def test_a_counter_has_its_labels_and_a_total() -> None:
    tally = Tally()
    tally.add(measures.REQUESTS, "/charts", "GET", "200", amount=3)
    found = lines(tally)
    assert 'mltrading_http_requests_total{route="/charts",method="GET",status="200"} 3' in found
    assert "# TYPE mltrading_http_requests_total counter" in found


def test_a_histogram_adds_up_from_bucket_to_bucket() -> None:
    tally = Tally()
    for seconds in (0.02, 0.02, 0.15, 99.0):
        tally.observe(seconds, measures.REQUEST_SECONDS, "/charts")
    found = [one for one in lines(tally) if "http_request_seconds" in one and "route" in one]
    values = [float(one.rpartition(" ")[2]) for one in found]
    bounds = [match[1] for one in found if (match := re.search(r'le="([^"]+)"', one))]
    assert bounds[:3] == ["0.005", "0.01", "0.025"] and bounds[-2:] == ["25", "+Inf"]
    buckets = values[: len(bounds)]
    assert buckets == sorted(buckets)
    assert dict(zip(bounds, buckets, strict=True))["0.025"] == 2
    assert dict(zip(bounds, buckets, strict=True))["+Inf"] == 4
    assert values[len(bounds) :] == [pytest.approx(99.19), 4]


def test_what_has_no_labels_begins_at_nothing_instead_of_being_absent() -> None:
    found = lines(Tally())
    assert "mltrading_pool_waits_total 0" in found
    assert "mltrading_http_requests_in_flight 0" in found
    assert "mltrading_metrics_lost_total 0" in found


def test_a_label_can_not_break_out_of_its_quotes() -> None:
    tally = Tally()
    tally.add(measures.LOGIN_FAILURES, NASTY)
    assert 'mltrading_login_failures_total{reason="a\\"b\\\\c\\nd"} 1' in lines(tally)


def test_numbers_without_room_are_told() -> None:
    tally = Tally()
    tally.add(*OVERFLOW, amount=7)
    assert "mltrading_metrics_lost_total 7" in lines(tally)


def test_what_is_known_of_the_deployment_is_told_and_what_is_not_is_left_out() -> None:
    stored = Stored(
        ingest=[
            IngestLag("feed", NOON - timedelta(hours=1), 3600.0, 0.0),
            IngestLag(NASTY, NOON - timedelta(hours=2), 7200.0, math.nan),
        ],
        queues=[Queue("jobs", 2, 90.0)],
        worker_seen_seconds=None,
    )
    found = lines(Tally(), vital(stored, memory_share=0.5, disk_free_share=None))
    assert 'mltrading_build_info{version="0.1.0",commit="abc1234"} 1' in found
    assert "mltrading_processes 2" in found
    assert "mltrading_database_up 1" in found
    assert 'mltrading_newest_bar_age_seconds{source="feed"} 3600' in found
    assert 'mltrading_ingest_lag_seconds{source="feed"} 0' in found
    assert 'mltrading_queue_depth{queue="jobs"} 2' in found
    assert "mltrading_memory_used_ratio 0.5" in found
    text = "\n".join(found)
    assert text.count("mltrading_ingest_lag_seconds{") == 1
    assert "disk_free_ratio" not in text and "worker_seen" not in text and "nan" not in text.lower()


def test_without_the_database_the_rest_is_told() -> None:
    found = lines(Tally(), vital(), rss=None)
    assert "mltrading_database_up 0" in found
    text = "\n".join(found)
    assert "queue_depth" not in text and "response_seconds" not in text
    assert "resident_memory" not in text


def test_every_family_is_named_once_before_its_samples() -> None:
    tally = Tally()
    for family in measures.FAMILIES:
        key = (family.name, *("x" for _ in family.labels))
        if family.kind == "histogram":
            tally.observe(0.1, *key)
        elif family.kind == "counter":
            tally.add(*key)
        else:
            tally.set(1, *key)
    found = lines(tally, vital(Stored()))
    heads = [one.split()[2] for one in found if one.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    current = ""
    for one in found:
        if one.startswith("# TYPE"):
            current = one.split()[2]
        elif not one.startswith("#"):
            assert re.match(rf"{current}(_bucket|_sum|_count)?[ {{]", one), one
