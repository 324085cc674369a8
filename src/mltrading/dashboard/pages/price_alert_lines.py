"""The fields of an alert that name a line of the chart and its settings. Those of the chosen line
are there, all others wait unseen (static/js/forms.js): so each setting has a field of its own."""

from __future__ import annotations

from collections.abc import Mapping

from mltrading.dashboard.acts import Act, choice_field, chosen_only, text_field
from mltrading.dashboard.markup import Node
from mltrading.domain.indicators import REGISTRY, Indicator, Parameter
from mltrading.domain.price_alerts.conditions import CLOSE, OFFERED, Line

Values = Mapping[str, str]


def line_fields(
    label: str, name: str, values: Values, first: str, *before: tuple[str, str]
) -> list[Node]:
    """The choice of a line (after the choices `before`), and the settings of each."""
    chosen = values.get(name, first)
    choices = [*before, (CLOSE.name, "Close"), *_CHOICES]
    return [
        choice_field(label, name, choices, chosen),
        *(
            _settings(REGISTRY[one], name, values, chosen)
            for one in OFFERED
            if REGISTRY[one].parameters
        ),
    ]


def on_scale(scale: str) -> list[str]:
    """The choices of lines on that scale, "price" or a pane of its own."""
    lines = [value for one in OFFERED if REGISTRY[one].pane == scale for value in _values(one)]
    return [CLOSE.name, *lines] if scale == CLOSE.scale else lines


def read_line(act: Act, name: str) -> str:
    """`macd.signal` with 12, 26 and 9 as `macd:12:26:9.signal`. A setting that is left out or
    empty is the usual one."""
    choice = act.value(name)
    known, _, line = choice.partition(".")
    if known not in REGISTRY:
        return choice
    given = range(len(REGISTRY[known].parameters))
    typed = [act.values.get(_field(name, number), "").strip() for number in given]
    spec = ":".join([known, *typed])
    return f"{spec}.{line}" if line else spec


def line_values(name: str, line: Line) -> dict[str, str]:
    """What the fields of a line show."""
    if line.spec is None:
        return {name: line.name}
    main = REGISTRY[line.spec.name].lines[0]
    choice = line.spec.name if line.name == main else f"{line.spec.name}.{line.name}"
    params = {_field(name, number): f"{p:g}" for number, p in enumerate(line.spec.params)}
    return {name: choice, **params}


def _field(name: str, number: int) -> str:
    return f"{name}_{number + 1}"


def _settings(entry: Indicator, name: str, values: Values, chosen: str) -> Node:
    mine = _values(entry.name)
    fields = [
        _parameter(parameter, _field(name, number), values if chosen in mine else {})
        for number, parameter in enumerate(entry.parameters)
    ]
    return chosen_only(name, mine, chosen, *fields)


def _parameter(parameter: Parameter, name: str, values: Values) -> list[Node]:
    label = f"{parameter.name[:1].upper()}{parameter.name[1:]}"
    return text_field(
        label,
        name,
        type="number",
        hint=f"{parameter.low:g} to {parameter.high:g}",
        value=values.get(name, f"{parameter.default:g}"),
        min=f"{parameter.low:g}",
        max=f"{parameter.high:g}",
        step="1" if parameter.whole else "any",
        required="required",
    )


def _values(name: str) -> list[str]:
    _, *more = REGISTRY[name].lines
    return [name, *(f"{name}.{line}" for line in more)]


def _line_choices() -> list[tuple[str, str]]:
    found = []
    for name in OFFERED:
        entry = REGISTRY[name]
        for line in entry.lines:
            main = line == entry.lines[0]
            words = entry.title if main else f"{entry.title} ({line.replace('_', ' ')})"
            found.append((name if main else f"{name}.{line}", words))
    return found


_CHOICES = _line_choices()
