"""Injections 22 to 25: cookies of yesterday, strangers, floods of sign-ins, smuggled requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fault_table import Figure
from tests.gunicorn_server import Gunicorn, gunicorn
from tests.identities import PASSWORD
from tests.integration.faults.place import FIND, Place, command, find, sign_out
from tests.integration.test_smuggling import REFUSED, statuses
from tests.visitors import CALLBACK, SIGN_IN, LiveVisitor


def test_fault_22_old_and_forged_cookies_open_nothing_and_the_role_is_the_databases(
    place: Place, tmp_path: Path, figure: Figure
) -> None:
    refused = []
    leaving = place.visitor()
    old = place.twin(leaving)
    assert find(old).status_code == 200
    assert sign_out(leaving).status_code == 303
    refused.append(find(old).status_code)

    demoted = place.visitor()
    assert demoted.ask("GET", "/export/overview.csv").status_code == 200
    place.sql("UPDATE users SET role = 'viewer' WHERE subject = 'vera'")
    assert demoted.ask("GET", "/export/overview.csv").status_code == 403
    place.sql("UPDATE users SET role = 'analyst' WHERE subject = 'vera'")
    acts = (("role", "rita@example.com", "analyst"), ("reset", "rita@example.com"))
    for act in acts:
        before = place.visitor("rita")
        done = command(tmp_path, "users", *act, DATABASE_URL=place.direct, **SIGN_IN)
        assert done.returncode == 0, done.stderr
        refused.append(find(before).status_code)
    for forged in ("a" * 43, "", "%00", old.cookies["session"][::-1]):
        stranger = LiveVisitor(leaving.url)
        stranger.cookies.update({"session": forged, "csrf": old.cookies["csrf"]})
        refused.append(find(stranger).status_code)
    assert set(refused) == {401}
    figure(f"{len(refused)} of {len(refused)} cookies 401; an export after the change of role 403")


def wanted(visitor: LiveVisitor) -> list[dict[str, object]]:
    """Every callback of the server, as a browser lists them."""
    listed: list[dict[str, object]] = visitor.ask("GET", "/_dash-dependencies").json()
    return [one for one in listed if one["clientside_function"] is None]


def filled(spec: dict[str, object], value: object) -> dict[str, object]:
    """A request for it where every input and state holds `value`."""

    def parts(name: str) -> list[dict[str, object]]:
        return [{**one, "value": value} for one in spec[name]]  # type: ignore[attr-defined]

    output = str(spec["output"])
    names = output[2:-2].split("...") if output.startswith("..") else [output]
    outputs = [dict(zip(("id", "property"), one.rsplit(".", 1), strict=True)) for one in names]
    return {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": parts("inputs"),
        "state": parts("state"),
        "changedPropIds": [f"{one['id']}.{one['property']}" for one in parts("inputs")],
    }


def test_fault_23_strangers_callbacks_are_refused_recorded_and_never_5xx(
    place: Place, figure: Figure
) -> None:
    vera, walt = place.visitor(), place.visitor("walt")
    specs = wanted(vera)
    stranger = LiveVisitor(vera.url)
    untold = place.twin(vera)
    del untold.cookies["csrf"]
    forged = [None, [], "x", {"path": "/admin", "search": "", "n": 1}, {"text": 1}, "\ud800"]
    seen: dict[str, Counter[int]] = {who: Counter() for who in ("anonymous", "no token", "viewer")}
    for spec in specs:
        for value in forged:
            body = filled(spec, value)
            seen["viewer"][walt.fire(body).status_code] += 1
        seen["anonymous"][stranger.fire(filled(spec, None)).status_code] += 1
        seen["no token"][untold.fire(filled(spec, None)).status_code] += 1
    for garbage in (b"", b"{", b"[]", b"null", b'{"output": "no.thing"}', b"\xff"):
        answer = walt.ask("POST", CALLBACK, data=garbage, headers=_json(walt))
        seen["viewer"][answer.status_code] += 1
    assert seen["anonymous"].keys() == {401}
    assert seen["no token"].keys() == {400}
    assert seen["viewer"].keys() <= {200, 204, 400, 403} and seen["viewer"][403]
    admin = filled(next(one for one in specs if "admin-parts.data" in str(one["output"])), None)
    assert walt.fire(admin).status_code == 403
    foreign = walt.ask(
        "POST", CALLBACK, json=FIND, headers={**_json(walt), "Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    actions = {
        str(action)
        for action, in place.sql("SELECT DISTINCT action FROM audit WHERE outcome = 'refused'")
    }
    assert {"request.right", "request.forged"} <= actions
    asked = sum(sum(found.values()) for found in seen.values()) + 2
    figure(f"{len(specs)} callbacks, {asked} requests, 0 answered 5xx; refusals audited")


def _json(visitor: LiveVisitor) -> dict[str, str]:
    return {"X-CSRFToken": str(visitor.cookies["csrf"]), "Content-Type": "application/json"}


BY_ACCOUNT, BY_ADDRESS = 6, 12


@pytest.fixture
def strict(place: Place, tmp_path: Path) -> Iterator[Gunicorn]:
    """A server behind a proxy, which tells the client's address, with small limits."""
    limits = {
        "MLTRADING_PROXY": "on",
        "MLTRADING_LIMIT_ACCOUNT": f"{BY_ACCOUNT}/3600",
        "MLTRADING_LIMIT_ADDRESS": f"{BY_ADDRESS}/3600",
    }
    with gunicorn(tmp_path, place.url, **{**SIGN_IN, **limits}) as app:
        yield app


def attempt(app: Gunicorn, forwarded: str, name: str) -> requests.Response:
    """A wrong password from the address that the proxy appended to what the client claims."""
    visitor = LiveVisitor(f"http://127.0.0.1:{app.port}")
    visitor.headers["X-Forwarded-For"] = forwarded
    return visitor.sign_in(name, f"not {PASSWORD}")


def test_fault_24_a_flood_of_sign_ins_is_429_by_address_and_by_account(
    strict: Gunicorn, figure: Figure
) -> None:
    one_address = [
        attempt(strict, f"198.51.100.{n}, 203.0.113.9", f"nobody{n}") for n in range(2 * BY_ADDRESS)
    ]
    one_account = [attempt(strict, f"203.0.113.{100 + n}", "zoe") for n in range(2 * BY_ACCOUNT)]
    by_address = Counter(answer.status_code for answer in one_address)
    by_account = Counter(answer.status_code for answer in one_account)
    assert by_address == {401: BY_ADDRESS, 429: BY_ADDRESS}
    assert by_account == {401: BY_ACCOUNT, 429: BY_ACCOUNT}
    again = [answer.headers.get("Retry-After") for answer in one_address + one_account]
    assert sum(value is not None for value in again) == BY_ADDRESS + BY_ACCOUNT
    figure(
        f"rotated X-Forwarded-For: {by_address[401]} of {len(one_address)} looked at, the rest 429;"
        f" many addresses, one account: {by_account[401]} of {len(one_account)}"
    )


def test_fault_25_what_can_be_read_in_two_ways_is_refused(place: Place, figure: Figure) -> None:
    """What each of them is: test_smuggling.py."""
    place_of = ("127.0.0.1", place.app.port)
    answered = {name: statuses(place_of, sent) for name, sent in REFUSED.items()}
    twice = [name for name, found in answered.items() if len(found) > 1]
    taken = [
        name
        for name, found in answered.items()
        if not all(400 <= status < 500 or status in (501, 505) for status in found)
    ]
    assert not twice and not taken
    assert json.loads(place.app.ask("/health/live")[2])["status"] == "live"
    figure(f"{len(answered)} requests, {len(twice)} answered twice, {len(taken)} taken")
