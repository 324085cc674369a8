"""What a button or a form asks the server to do: made here as markup, sent by static/js/forms.js,
read here again. It comes from outside, so nothing of it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dash import set_props
from dash.exceptions import PreventUpdate

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import toast
from mltrading.dashboard.markup import Node, el
from mltrading.domain.access import Actor
from mltrading.errors import InvalidView

if TYPE_CHECKING:
    from mltrading.services import Services

MOST_VALUES = 20
LONGEST_VALUE = 2_000


@dataclass(frozen=True, slots=True)
class Act:
    """`do` names it; `values` are texts."""

    do: str
    values: dict[str, str]

    def value(self, name: str) -> str:
        """A value that has to be there (and may be empty)."""
        if name not in self.values:
            raise InvalidView(f"'{name}' is missing; reload the page and try again")
        return self.values[name]


Drawn = TypeVar("Drawn")
Doing = Callable[["Services", Actor, Act], "Drawn | None"]
"""Does an act, says it, and gives what it drew beside the page as that is drawn anyway."""


def perform(acts: Mapping[str, Doing[Drawn]], services: Services, data: Any) -> Drawn | None:
    """Do what the store's data ask for; PreventUpdate where they hold no act."""
    act = read_act(data)
    if act.do not in acts:
        raise InvalidView("the page asked for what it does not know; reload it and try again")
    return acts[act.do](services, current_actor(), act)


def say(text: str) -> None:
    """A toast beside the answer."""
    set_props("toast", {"children": toast(text)})


def read_act(data: Any) -> Act:
    """The act of the store's data; PreventUpdate where it holds none."""
    if not isinstance(data, dict) or not isinstance(data.get("n"), int):
        raise PreventUpdate
    values = {name: value for name, value in data.items() if name not in ("n", "do")}
    do = data.get("do")
    if not isinstance(do, str) or len(values) > MOST_VALUES or not all(map(_fits, values.values())):
        raise InvalidView("the page sent what it never should; reload it and try again")
    return Act(do, values)


def _fits(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_VALUE


def act_button(
    text: str,
    do: str,
    *,
    confirm: str | None = None,
    class_: str = "button",
    pressed: bool | None = None,
    **values: str,
) -> list[Any]:
    """A button that does something at once, or after a question. `pressed`: it is one of a choice,
    and the chosen one does nothing."""
    return el(
        "button",
        text,
        type="button",
        class_=class_,
        data_act=_json(do, values),
        data_confirm=confirm,
        aria_pressed=None if pressed is None else str(pressed).lower(),
        disabled="disabled" if pressed else None,
    )


def act_form(
    do: str,
    *children: Node,
    submit: str,
    confirm: str | None = None,
    other: str = "",
    other_do: str = "",
    **values: str,
) -> list[Any]:
    """A form whose fields go along. `other`: a second button, which does `other_do` with the same
    fields; the Enter key does what `submit` does."""
    send = [el("button", submit, type="submit", class_="button")]
    if other:
        send.append(el("button", other, type="submit", class_="button", data_do=other_do))
    return el(
        "form", *children, *send, class_="form", data_act=_json(do, values), data_confirm=confirm
    )


def query_form(*children: Node, submit: str, **changes: str | None) -> list[Any]:
    """A form whose fields become part of the address, beside `changes`."""
    send = el("button", submit, type="submit", class_="button")
    return el("form", *children, send, class_="form form-row", data_query=json.dumps(changes))


def text_field(
    label: str, name: str, *, type: str = "text", hint: str = "", **attributes: str | None
) -> list[Any]:
    """A field with its label above it and, where there is more to say, what is expected below."""
    return el(
        "label",
        el("span", label),
        el("input", name=name, type=type, **attributes),
        el("span", hint, class_="field-hint") if hint else None,
        class_="field",
    )


def chosen_only(of: str, when: Sequence[str], chosen: str, *fields: Node) -> list[Any]:
    """Fields that are there while the choice `of` of the same form is one of `when`; else they wait
    unseen and are not sent."""
    away = chosen not in when
    return el(
        "fieldset",
        *fields,
        class_="chosen-only",
        hidden="hidden" if away else None,
        disabled="disabled" if away else None,
        data_of=of,
        data_when=" ".join(when),
    )


def choice_field(
    label: str, name: str, choices: list[tuple[str, str]], chosen: str = ""
) -> list[Any]:
    """A field of (value, text) to choose from."""
    options = [
        el("option", text, value=value, selected="selected" if value == chosen else None)
        for value, text in choices
    ]
    return el("label", el("span", label), el("select", *options, name=name), class_="field")


def _json(do: str, values: dict[str, str]) -> str:
    return json.dumps({"do": do, **values}, ensure_ascii=False)
