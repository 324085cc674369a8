"""The callback client speaks to Dash as a browser does."""

from __future__ import annotations

import pytest
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.exceptions import PreventUpdate

from tests.callback_client import CallbackClient, id_text, split_outputs


@pytest.fixture
def client() -> CallbackClient:
    app = Dash(__name__)
    app.layout = html.Div(
        [html.Button(id="go"), dcc.Input(id="name"), html.P(id="one"), html.P(id="two")]
    )

    @app.callback(
        Output("one", "children"),
        Output("two", "children"),
        Input("go", "n_clicks"),
        State("name", "value"),
    )
    def several(clicks: int | None, name: str | None) -> tuple[object, object]:
        if not clicks:
            raise PreventUpdate
        set_props("toast", {"children": "said"})
        return f"{clicks} {name} {ctx.triggered_id}", no_update

    @app.callback(Output("list", "children"), Input({"type": "row", "key": ALL}, "n_clicks"))
    def pattern(clicks: list[int]) -> str:
        return f"{clicks} {ctx.triggered_id}"

    return CallbackClient(app.server)


def test_several_outputs_state_and_what_is_set_beside(client: CallbackClient) -> None:
    values = {"go.n_clicks": 2, "name.value": "Ann"}
    answer = client.fire("one.children", "go.n_clicks", **values)
    assert answer["one.children"] == "2 Ann go"
    assert "two" not in answer.props
    assert answer.side["toast"]["children"] == "said"


def test_a_callback_that_declines_is_unchanged(client: CallbackClient) -> None:
    assert client.fire("two.children", "go.n_clicks").unchanged


def test_pattern_ids(client: CallbackClient) -> None:
    one, two = {"type": "row", "key": "A,B"}, {"type": "row", "key": "C"}
    name = '{"key":["ALL"],"type":"row"}.n_clicks'
    answer = client.fire(
        "list.children", f"{id_text(two)}.n_clicks", **{name: [(one, 0), (two, 1)]}
    )
    assert answer["list.children"] == "[0, 1] {'key': 'C', 'type': 'row'}"


def test_a_value_that_nobody_asked_for_is_a_mistake_in_the_test(client: CallbackClient) -> None:
    with pytest.raises(AssertionError, match="is no input"):
        client.fire("one.children", "go.n_clicks", **{"go.clicks": 1})


def test_outputs_are_split() -> None:
    assert split_outputs("..a.b...c.d..") == ["a.b", "c.d"]
    assert split_outputs("a.b") == ["a.b"]
