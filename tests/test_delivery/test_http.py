"""The client of platforms' APIs: what is repeated, what is not, and what a person reads."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import PlatformError
from delivery.http import ATTEMPTS, Client, Unsettled
from delivery.replies import asked_wait, refusal
from tests.test_delivery.scripted_server import Reply, Script, scripted

KEY = "HRKU-0123456789abcdef"
PAGE = Reply(200, b"<html>captive portal</html>", {"content-type": "text/html"})


class Patience:
    """A clock that only counts what was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def client(url: str, patience: Patience, **settings: object) -> Client:
    return Client(
        url,
        {"authorization": f"Bearer {KEY}"},
        service="Heroku",
        timeout_seconds=0.3,
        sleep=patience.sleep,
        tell=lambda line: None,
        **settings,  # type: ignore[arg-type]
    )


def test_a_good_answer_is_its_parsed_body_and_the_key_goes_in_the_header() -> None:
    with scripted(Reply(206, [1, 2], {"Next-Range": "x"})) as script:
        answer = client(script.url, Patience()).get("/apps", headers={"Range": "id ..; max=2"})
    assert (answer.status, answer.body, answer.headers["next-range"]) == (206, [1, 2], "x")
    sent = script.received[0].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert sent["range"] == "id ..; max=2"


def test_an_empty_body_is_none_and_bytes_go_as_they_are() -> None:
    with scripted(Reply(202)) as script:
        answer = client(script.url, Patience()).put("/blob?signature=x", b"\x1f\x8b")
    assert answer.body is None
    assert script.received[0].content == b"\x1f\x8b"
    assert "content-type" not in script.received[0].headers


@pytest.mark.parametrize(
    "failure",
    [Reply(500), Reply(503), Reply(drop=True), Reply(200, {"a": 1}, cut=True), Reply(hang=True)],
    ids=["500", "503", "dropped", "cut", "silent"],
)
def test_what_may_be_repeated_is_repeated_and_a_post_is_not(failure: Reply) -> None:
    patience = Patience()
    with scripted(failure, Reply(200, {"ok": True})) as script:
        assert client(script.url, patience).get("/x").body == {"ok": True}
        assert patience.slept == [1.0]
    with scripted(failure, Reply(201, {"ok": True})) as script:
        with pytest.raises(Unsettled, match="whether it was carried out is unknown"):
            client(script.url, Patience()).post("/x", {"a": 1})
        assert len(script.received) == 1
    with scripted(failure, Reply(201, {"ok": True})) as script:
        assert client(script.url, Patience()).post("/x", {}, repeat=True).status == 201


def test_too_many_requests_wait_as_long_as_asked_and_any_method_is_sent_again() -> None:
    patience = Patience()
    limited = Reply(429, {"id": "rate_limit", "message": "slow"}, {"Retry-After": "7"})
    with scripted(limited, Reply(201, {})) as script:
        client(script.url, patience).post("/x", {})
    assert patience.slept == [7.0]
    assert len(script.received) == 2


def test_a_forbidden_that_is_a_limit_is_waited_for() -> None:
    patience = Patience()
    with scripted(Reply(403, {}, {"retry-after": "2"}), Reply(200, {})) as script:
        client(script.url, patience).get("/x")
    assert patience.slept == [2.0]


def test_a_wait_of_an_hour_ends_the_run_with_the_reason() -> None:
    with scripted(Reply(429, {}, {"retry-after": "3600"})) as script:
        with pytest.raises(PlatformError, match="asks to wait 3600 s, run again then"):
            client(script.url, Patience()).get("/x")
    assert len(script.received) == 1


def test_a_platform_that_stays_broken_is_given_up_after_a_growing_wait() -> None:
    patience = Patience()
    with scripted(Reply(502, b"<html>")) as script:
        with pytest.raises(PlatformError, match=f"answered 502, {ATTEMPTS} times") as caught:
            client(script.url, patience).get("/x")
    assert caught.value.status == 502
    assert patience.slept == [1, 2, 4, 8]


@pytest.mark.parametrize("status", [401, 403, 404, 422, 400, 409])
def test_a_refusal_is_one_line_with_the_platforms_words_and_is_not_repeated(status: int) -> None:
    words = {"id": "odd", "message": f"two\nlines and the key {KEY}" + "x" * 900}
    with scripted(Reply(status, words)) as script:
        with pytest.raises(PlatformError) as caught:
            client(script.url, Patience()).post("/apps/x?secret=s3cret", {})
    text = str(caught.value)
    assert caught.value.status == status and len(script.received) == 1
    assert text.startswith(
        f"Heroku: POST /apps/x answered {status} (odd: two lines and the key ***"
    )
    assert "\n" not in text and KEY not in text and "s3cret" not in text and len(text) < 500


def test_advice_is_chosen_by_the_platforms_id_before_the_status() -> None:
    advice: dict[int | str, str] = {403: "ask an owner", "two_factor": "use a key of a machine"}
    with scripted(Reply(403, {"id": "two_factor"}), Reply(403, {"id": "forbidden"})) as script:
        api = client(script.url, Patience(), advice=advice)
        with pytest.raises(PlatformError, match="use a key of a machine$"):
            api.get("/x")
        with pytest.raises(PlatformError, match="ask an owner$"):
            api.get("/x")


def test_a_page_instead_of_json_is_said_and_a_redirect_is_not_followed_with_the_key() -> None:
    with scripted(PAGE) as script:
        with pytest.raises(PlatformError, match="'text/html' that is not JSON"):
            client(script.url, Patience()).get("/x")
    with scripted(Reply(301, headers={"location": "https://evil.example/?k=1"})) as script:
        with pytest.raises(PlatformError, match="moved to https://evil.example/$"):
            client(script.url, Patience()).get("/x")


def test_no_connection_is_tried_again_even_for_a_post() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    patience = Patience()
    with pytest.raises(PlatformError, match="no connection.*Connection refused.*5 times") as caught:
        client(f"http://127.0.0.1:{port}", patience).post("/x", {})
    assert not isinstance(caught.value, Unsettled)
    assert len(patience.slept) == ATTEMPTS - 1


def test_a_server_without_a_good_certificate_gets_no_key() -> None:
    with scripted(Reply(200, {})) as script:
        url = script.url.replace("http://", "https://")
        with pytest.raises(PlatformError, match="no safe connection"):
            client(url, Patience()).get("/x")
    assert script.received == []


@pytest.mark.parametrize(
    "url",
    ["http://api.example", "ftp://localhost", "https://", "https://a:99999", "", "https://[x"],
)
def test_an_address_a_key_may_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(PlatformError, match="https|http"):
        client(url, Patience())


def test_a_key_with_a_line_break_is_named_without_being_shown() -> None:
    with pytest.raises(PlatformError, match="line break") as caught:
        Client("https://api.example", {"authorization": f"Bearer {KEY}\n"}, service="Heroku")
    assert KEY not in str(caught.value)


def test_the_key_goes_to_its_own_host_only() -> None:
    with scripted(Reply(200, {})) as script:
        api = client("https://api.example", Patience())
        with pytest.raises(PlatformError, match="another host"):
            api.get(f"{script.url}/next")
    assert script.received == []


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        st.text() | st.integers().map(str) | st.sampled_from(["0", "-1", "nan", "1e999", "٣"]),
    )
)
def test_any_waiting_header_gives_a_wait_that_can_be_slept(headers: dict[str, str]) -> None:
    assert 0 <= asked_wait(headers) < float("inf")


def test_a_wait_may_be_a_date_or_the_moment_a_limit_is_lifted() -> None:
    then = datetime.now(timezone.utc) + timedelta(seconds=90)
    assert 80 < asked_wait({"retry-after": format_datetime(then, usegmt=True)}) <= 90
    limit = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(then.timestamp()))}
    assert 80 < asked_wait(limit) <= 90


@given(st.binary() | st.text().map(str.encode) | st.sampled_from([b"[" * 9999, b'{"id":[1]}']))
def test_any_refusal_is_readable_as_one_short_line(content: bytes) -> None:
    said = refusal(content)
    assert said.text.isprintable() or said.text == ""
    assert len(said.text) < 320


def test_the_script_is_read_to_its_end() -> None:
    script = Script([Reply(500), Reply(200)])
    assert [script.next().status for _ in range(3)] == [500, 200, 200]
