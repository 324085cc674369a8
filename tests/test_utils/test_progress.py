"""Progress on a terminal and on a pipe, by a clock of the test."""

from __future__ import annotations

import io
import threading

import pytest

from mltrading.utils.progress import Progress

pytestmark = pytest.mark.smoke


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    def __init__(self) -> None:
        self.seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_quick_step_says_nothing(time: Time) -> None:
    stream = io.StringIO()
    with Progress(stream, time) as say:
        say("Quick")
        time.seconds += 0.9
        say.draw()
    assert stream.getvalue() == ""


def test_a_long_step_is_told_in_lines_where_there_is_no_terminal(time: Time) -> None:
    stream = io.StringIO()
    with Progress(stream, time) as say:
        say("Loading")
        time.seconds += 1.5
        say.draw()
        time.seconds += 5
        say.draw()  # too soon for a second line
        assert stream.getvalue() == "Loading ...\n"
        say.update(250, 1000, "rows")
        time.seconds += 5
        say.draw()
    assert stream.getvalue().splitlines() == [
        "Loading ...",
        "Loading ...  25% of 1,000 rows",
        "Loading (25% of 1,000 rows): 11.5 s",
    ]


def test_a_terminal_shows_one_line_that_counts(time: Time) -> None:
    stream = Terminal()
    with Progress(stream, time) as say:
        say("Loading")
        say.update(1_234_567, unit="rows")
        time.seconds += 2
        say.draw()
        assert stream.getvalue().endswith("\r\x1b[KLoading ... 1,234,567 rows 2 s")
    assert stream.getvalue().endswith("\r\x1b[KLoading (1,234,567 rows): 2.0 s\n")


def test_a_new_step_ends_the_one_before(time: Time) -> None:
    stream = io.StringIO()
    with Progress(stream, time) as say:
        say("First")
        say.update(5, unit="rows")
        time.seconds += 2
        say("Second")
        time.seconds += 3
    assert stream.getvalue() == "First (5 rows): 2.0 s\nSecond: 3.0 s\n"


def test_a_failed_step_says_so(time: Time) -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError), Progress(stream, time) as say:
        say("Loading")
        time.seconds += 2
        raise ValueError
    assert stream.getvalue() == "Loading: 2.0 s (failed)\n"


def test_more_than_the_total_is_not_more_than_everything(time: Time) -> None:
    stream = io.StringIO()
    with Progress(stream, time) as say:
        say("Loading")
        say.update(11, 10)
        time.seconds += 2
    assert stream.getvalue() == "Loading (100% of 10): 2.0 s\n"


def test_no_thread_is_left_to_be_forked() -> None:
    before = threading.active_count()
    with Progress(io.StringIO()) as say:
        say("Loading")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    say.close()
