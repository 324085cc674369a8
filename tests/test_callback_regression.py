"""Every callback over its real HTTP route: wired to what exists, and fooled by nothing.

The traps are those that Dash really has: a Graph put into the page fires its click with None,
`triggered_id` can name a button nobody pressed, a payload can be anything.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from dash import Dash, Input, Output, html
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.app import create_app
from mltrading.settings import load_settings
from tests import market_data
from tests.callback_client import Answer, CallbackClient, component_id, split_outputs
from tests.database_fixtures import clone, database_on, drop

pytestmark = pytest.mark.smoke

PATHS = (
    *("/", "/charts", "/compare", "/alerts", "/admin", "/help"),
    *("/ops", "/ops/latency", "/ops/alerts", "/ops/log", "/ops/deployments", "/ops/usage"),
)
SEARCHES = {
    "/": "?q=a",
    "/charts": "?symbol=AAPL&indicators=sma:20",
    "/compare": "?symbols=AAPL,IBM",
}
NAVIGATING = {"goto", "address", "page"}
CHART_EVENTS = {"clickData", "hoverData", "selectedData", "relayoutData", "restyleData"}
PRESSES = {"n_clicks", "n_submit", "n_intervals", "n_blur"}
NOT_PRESSED = [None, 0, -1, "1", "x", {"evil": 1}, [1], 1e308]
NOBODYS = "Something failed"  # edge.py says this of an exception nobody foresaw


@pytest.fixture(scope="module")
def client(server_url: str, template: str) -> Iterator[CallbackClient]:
    """The whole dashboard over a market of daily bars."""
    name = f"mlt_callbacks_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    yield CallbackClient(create_app(load_settings(), url).server)
    drop(server_url, name)


def address(path: str, search: str = "") -> dict[str, Any]:
    return {"path": path, "search": search, "n": 1}


def routed(client: CallbackClient, path: str, search: str = "") -> Answer:
    return client.fire("page.children", "address.data", **{"address.data": address(path, search)})


def page_answers(client: CallbackClient, path: str, search: str) -> list[Answer]:
    """What every callback of the address says to it."""
    asked = [d for d in client.server_side if inputs(d) == ["address.data"]]
    answers = []
    for spec in asked:
        if "page.children" not in split_outputs(spec["output"]):
            values = {"address.data": address(path, search)}
            first = split_outputs(spec["output"])[0]
            answers.append(client.fire(first, "address.data", **values))
    return answers


def inputs(spec: dict[str, Any]) -> list[str]:
    return [f"{part['id']}.{part['property']}" for part in spec["inputs"]]


def ids(tree: Any) -> Iterator[str]:
    """The id of every component in a tree, a pattern id as the set of its keys."""
    if isinstance(tree, list):
        for child in tree:
            yield from ids(child)
    elif isinstance(tree, dict):
        props = tree.get("props", {})
        if "id" in props:
            yield shape(props["id"])
        yield from ids(props.get("children"))


def shape(id: str | dict[str, Any]) -> str:
    """An id that equals that of its pattern: `{"symbol": "A", "type": "row"}` is `{..}row`."""
    parsed = component_id(id) if isinstance(id, str) else id
    if isinstance(parsed, str):
        return parsed
    return f"{sorted(parsed)} {parsed.get('type')}"


def wired(client: CallbackClient) -> set[str]:
    """The shape of every id that a callback reads or writes."""
    found = set()
    for spec in client.dependencies:
        parts = [*spec["inputs"], *spec["state"]]
        found |= {shape(part["id"]) for part in parts}
        if spec["output"]:
            names = [o.rpartition(".")[0] for o in split_outputs(spec["output"])]
            found |= {shape(name) for name in names if name}
    return found


def present(client: CallbackClient) -> set[str]:
    """The shape of every id in the frame, in each page, and in what its callbacks answer."""
    found = set(ids(client.http.get("/_dash-layout").get_json()))
    for path in PATHS:
        found |= set(ids(routed(client, path)["page.children"]))
        for answer in page_answers(client, path, SEARCHES.get(path, "")):
            for props in answer.props.values():
                found |= set(ids(props.get("children")))
    return found


def goes_somewhere(answer: Answer) -> bool:
    return bool(NAVIGATING & (set(answer.props) | set(answer.side)))


def failed(answer: Answer) -> str | None:
    """Why the answer is no answer, or None."""
    if answer.status not in (200, 204):
        return f"status {answer.status}: {answer.text[:200]}"
    return answer.text[:400] if NOBODYS in answer.text else None


def test_every_id_of_a_callback_exists_in_some_layout(client: CallbackClient) -> None:
    no_component = {"_no_output_", "_no_output", ""}
    unknown = {id for id in wired(client) if not id.startswith("_no_output")} - present(client)
    assert unknown - no_component == set()


def test_a_misspelt_id_would_be_found() -> None:
    app = Dash(__name__, suppress_callback_exceptions=True)
    app.layout = html.Div(html.Button(id="save"))
    app.callback(Output("saved", "children"), Input("sav", "n_clicks"))(lambda n: n)
    planted = CallbackClient(app.server)
    layout = set(ids(planted.http.get("/_dash-layout").get_json()))
    assert wired(planted) - layout == {"sav", "saved"}


def test_no_two_callbacks_write_the_same_without_saying_so(client: CallbackClient) -> None:
    written = [o for d in client.dependencies for o in split_outputs(d["output"]) if "@" not in o]
    real = [o for o in written if not o.startswith("_no_output")]
    assert sorted({o for o in real if real.count(o) > 1}) == []


def test_a_chart_event_never_writes_the_address(client: CallbackClient) -> None:
    for spec in client.dependencies:
        if CHART_EVENTS & {part["property"] for part in spec["inputs"]}:
            written = {o.rpartition(".")[0] for o in split_outputs(spec["output"])}
            assert not written & NAVIGATING, spec["output"]


def test_the_server_never_acts_on_a_click_that_may_be_stale(client: CallbackClient) -> None:
    """clickData keeps its old value until the next click, so no server callback may read it."""
    for spec in client.server_side:
        read = {part["property"] for part in (*spec["inputs"], *spec["state"])}
        assert not read & CHART_EVENTS, spec["output"]


def test_inserted_components_that_fire_with_nothing_go_nowhere(client: CallbackClient) -> None:
    for spec in client.server_side:
        for trigger in (*inputs(spec), None):
            answer = client.post(payload(spec, {}, [trigger] if trigger else []))
            assert failed(answer) is None
            assert not goes_somewhere(answer), (spec["output"], trigger)


@pytest.mark.parametrize("value", NOT_PRESSED, ids=repr)
def test_a_button_nobody_pressed_does_nothing(client: CallbackClient, value: object) -> None:
    pressed = 0
    for spec in client.server_side:
        for name in inputs(spec):
            if name.rpartition(".")[2] in PRESSES:
                pressed += 1
                values = {name: value, "compare-add.value": "AAPL"}
                values["address.data"] = address("/compare", "?symbols=IBM")
                answer = client.post(payload(spec, values, [name]))
                assert failed(answer) is None
                assert not goes_somewhere(answer), (name, value)
    assert pressed, "no button is served at all: this test would prove nothing"


def test_a_wrong_trigger_beside_an_old_press_does_nothing(client: CallbackClient) -> None:
    """Only what changed acts: an address that changes beside an old press adds no symbol."""
    values = {
        "compare-add.n_submit": 3,
        "compare-add.value": "AAPL",
        "address.data": address("/compare", "?symbols=IBM"),
    }
    answer = client.fire("compare-add.value", "address.data", **values)
    assert not goes_somewhere(answer)


def payload(spec: dict[str, Any], values: dict[str, Any], changed: list[str]) -> dict[str, Any]:
    def filled(part: dict[str, Any]) -> dict[str, Any]:
        value = values.get(f"{part['id']}.{part['property']}")
        return {"id": component_id(part["id"]), "property": part["property"], "value": value}

    outputs = []
    for single in split_outputs(spec["output"]):
        component, _, name = single.rpartition(".")
        outputs.append({"id": component_id(component), "property": name})
    return {
        "output": spec["output"],
        "outputs": outputs if spec["output"].startswith("..") else outputs[0],
        "inputs": [filled(part) for part in spec["inputs"]],
        "state": [filled(part) for part in spec["state"]],
        "changedPropIds": changed,
    }


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(junk=JUNK, data=st.data())
def test_any_value_of_any_input_is_answered(
    client: CallbackClient, junk: object, data: st.DataObject
) -> None:
    spec = data.draw(st.sampled_from(client.server_side))
    names = [f"{p['id']}.{p['property']}" for p in (*spec["inputs"], *spec["state"])]
    name = data.draw(st.sampled_from(names))
    assert failed(client.post(payload(spec, {name: junk}, [name]))) is None


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS[:3]), search=st.text(max_size=200))
def test_any_query_is_answered_with_a_page(client: CallbackClient, path: str, search: str) -> None:
    for answer in page_answers(client, path, f"?{search}"):
        assert failed(answer) is None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_of_a_known_field_is_answered(
    client: CallbackClient, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(PATHS[:3]))
    fields = {
        "/": ("q", "sort", "order", "sector", "industry", "page"),
        "/charts": ("symbol", "interval", "range", "start", "end", "type", "scale", "indicators"),
        "/compare": ("symbols", "range", "start", "end", "mode"),
    }[path]
    known = st.sampled_from(["AAPL", "1d", "1mo", "5Y", "2023-01-02", "sma:20", "-1", "9" * 30])
    pairs = {name: data.draw(known | st.text(max_size=30)) for name in fields}
    search = "&".join(f"{name}={value}" for name, value in pairs.items())
    for answer in page_answers(client, path, f"?{search}"):
        assert failed(answer) is None


MALFORMED: list[Any] = [
    {},
    [],
    "text",
    None,
    7,
    {"output": "page.children"},
    {"output": "nowhere.children", "outputs": {}, "inputs": [], "changedPropIds": []},
    {"output": 5, "outputs": [], "inputs": {}, "changedPropIds": "x"},
    {"output": "page.children", "outputs": {"id": "page"}, "inputs": [{}], "changedPropIds": [1]},
    {"output": "..page.children..", "outputs": [], "inputs": [None], "changedPropIds": None},
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: json.dumps(body)[:40])
def test_a_malformed_payload_is_the_callers_fault(client: CallbackClient, body: object) -> None:
    assert client.post(body).status in range(400, 500)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"{}", "text/plain"),
        (b"a=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_json_is_the_callers_fault(
    client: CallbackClient, data: bytes, kind: str
) -> None:
    answer = client.http.post("/_dash-update-component", data=data, content_type=kind)
    assert answer.status_code in range(400, 500)


def test_hostile_names_travel_as_text(client: CallbackClient) -> None:
    code = market_data.HOSTILE_CODE.replace(";", "%3B").replace(" ", "%20")
    for path, search in (("/charts", f"?symbol={code}"), ("/compare", f"?symbols={code},AAPL")):
        for answer in page_answers(client, path, search):
            for props in answer.props.values():
                for prop in ("figure", "data"):
                    assert "<img" not in json.dumps(props.get(prop))


def test_no_answer_holds_a_number_that_json_has_not(client: CallbackClient) -> None:
    for path in PATHS:
        for answer in page_answers(client, path, SEARCHES.get(path, "")):
            json.loads(answer.text or "null", parse_constant=pytest.fail)


def test_every_page_of_the_navigation_is_there_and_others_are_not(client: CallbackClient) -> None:
    for path in PATHS:
        assert client.http.get(path).status_code == 200
    for path in ("/chart", "/charts/", "/Compare", "/nowhere", "/static/../settings.py"):
        assert client.http.get(path).status_code == 404
        assert "page" in routed(client, path).props
