"""The house rules as a checker: what a module may import and which habits are refused.

`violations(name, source)` reads source text only; nothing is imported or run. Imports inside
functions, under `if TYPE_CHECKING`, relative ones and `import_module("literal")` all count: a layer
that is reached late is still reached.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

PACKAGE = "mltrading"
MAX_MODULE_LINES = 400  # 300 is the smell, this is the wall
MAX_FUNCTION_LINES = 60  # likewise 30


@dataclass(frozen=True)
class Layer:
    ours: frozenset[str]
    third_party: frozenset[str]
    connects: bool = False  # may use the standard library's network modules


def _layer(ours: str, third_party: str = "", connects: bool = False) -> Layer:
    return Layer(frozenset(ours.split()), frozenset(third_party.split()), connects)


ANY = frozenset({"*"})

LAYERS = {
    "": _layer(""),  # the package root itself: the version
    "errors": _layer(""),
    "utils": _layer("utils errors"),
    "domain": _layer("domain utils errors", "numpy pandas talib exchange_calendars"),
    "learning": _layer("learning domain utils errors", "numpy pandas sklearn"),
    "services": _layer("services domain learning utils errors", "numpy pandas"),
    "adapters": _layer(
        "adapters domain utils errors",
        "psycopg2 sqlalchemy numpy pandas pyarrow orjson exchange_calendars"
        " argon2 authlib cryptography joserfc opentelemetry pyotp redis requests urllib3",
        connects=True,
    ),
    "dashboard": _layer(
        "dashboard services domain utils errors",
        "dash plotly flask flask_wtf werkzeug numpy orjson brotli segno",
    ),
    # The delivery jobs, which hold the keys of the platforms, read files and alerting too and send
    # over the channels; they install PyYAML and urllib3 alone. So rules of alerts are plain Python.
    "files": _layer("errors", "yaml"),
    "alerting": _layer("alerting domain.alerting files utils errors", "yaml"),
    "settings": _layer("settings files utils errors", "pydantic pydantic_settings yaml"),
    "app": Layer(ANY, ANY, connects=True),
    "observing": Layer(ANY, ANY, connects=True),  # the part of app that measures
    "paging": Layer(ANY, ANY, connects=True),  # the part of app that alerts
}
PARTS = {
    "adapters.channels": _layer("adapters.channels utils errors", connects=True),
    "domain.alerting": _layer("domain.alerting utils errors"),
}
"""Parts of a layer that may import less than the rest of it, for the same jobs."""

JOINS = frozenset({"app", "observing", "paging"})
"""Modules that join the layers for the entries."""

ENTRIES = frozenset({"__main__", "wsgi", "cli", "commands", "serve"})  # they start things
"""Modules a user or gunicorn starts. They may import everything; only each other import them."""

# An adapter fits a Protocol of services by shape, but it has to name the records the port speaks.
PORTS = f"{PACKAGE}.services.ports"

NETWORK = frozenset({"socket", "ssl", "http.client", "urllib.request", "smtplib", "ftplib"})
SQL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|COPY|CREATE|DROP|ALTER|TRUNCATE|WITH|LOCK)\b")
SQL_CALLS = frozenset({"execute", "executemany", "copy_expert", "copy_from", "copy_to", "mogrify"})


def layer_of(module: str) -> str:
    """The layer a dotted module belongs to: the first name under the package."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Every broken rule of one module, one line each with the place and the reason."""
    tree = ast.parse(source)
    found = [*_imports_refused(module, tree, is_package), *_habits_refused(module, tree)]
    lines = source.count("\n") + 1
    if lines > MAX_MODULE_LINES:
        found.append(f"{module}: {lines} lines, more than {MAX_MODULE_LINES}; split it")
    return found


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)
            else:
                yield node.lineno, "<computed>"


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parts, node.module] if node.module else parts)


def _imports_refused(module: str, tree: ast.AST, is_package: bool) -> Iterator[str]:
    own = layer_of(module)
    if own not in LAYERS and own not in ENTRIES:
        yield f"{module}: {own!r} is no layer; give it one in tests/architecture.py"
        return
    part = next((name for name in PARTS if _within(module, f"{PACKAGE}.{name}")), None)
    layer = PARTS[part] if part else LAYERS.get(own, LAYERS["app"])
    for line, target in imported(tree, module, is_package):
        reason = _refusal(part or own, layer, target)
        if reason:
            yield f"{module}:{line} imports {target}: {reason}"


def _refusal(own: str, layer: Layer, target: str) -> str | None:
    """Why `target` may not be imported by the layer, or None where it may."""
    top = target.split(".")[0]
    if top == PACKAGE:
        return _refusal_of_ours(own, layer, target)
    if top in sys.stdlib_module_names:
        connecting = any(target == name or target.startswith(name + ".") for name in NETWORK)
        return "only adapters open connections" if connecting and not layer.connects else None
    if target == "<computed>":
        return None if layer.ours is ANY else "an import that can not be read can not be checked"
    if target.startswith(("plotly.graph_objects", "plotly.graph_objs", "plotly.express")):
        return "figures are plain dicts; graph objects validate every point and cost 300x"
    if layer.third_party is ANY or top in layer.third_party:
        return None
    return f"{top} does not live in {own}"


def _refusal_of_ours(own: str, layer: Layer, target: str) -> str | None:
    name = layer_of(target)
    if name == "__version__":
        return None
    if name in ENTRIES:
        return None if own in ENTRIES else f"{name} is imported by none"
    if name in JOINS:
        return None if own in ENTRIES | JOINS else f"{name} is imported by none"
    if name == "settings":
        return (
            None
            if own in ENTRIES | JOINS | {"settings"}
            else "settings are read by app and __main__ only"
        )
    if own == "adapters" and (target == PORTS or target.startswith(PORTS + ".")):
        return None
    if layer.ours is ANY or any(_within(target, f"{PACKAGE}.{ours}") for ours in layer.ours):
        return None
    return f"{own} may import of ours only {', '.join(sorted(layer.ours)) or 'nothing'}"


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


DELIVERY = Layer(
    ours=frozenset({"adapters.channels", "alerting", "files", "utils", "errors"}),
    third_party=frozenset({"urllib3", "yaml", "delivery"}),
    connects=True,
)


def delivery_violations(module: str, source: str) -> list[str]:
    """Every import of a delivery module that the jobs could not satisfy, one line each."""
    found = []
    for line, target in imported(ast.parse(source), module, False):
        # The dispatcher computes a name of its own package.
        known = target == "<computed>" and module == "delivery.__main__"
        reason = None if known else _refusal("delivery", DELIVERY, target)
        if reason:
            found.append(f"{module}:{line} imports {target}: {reason}")
    return found


def _habits_refused(module: str, tree: ast.AST) -> Iterator[str]:
    own = layer_of(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{module}:{node.lineno} {node.name} has {length} lines; split it"
        if own not in ENTRIES and isinstance(node, ast.Call) and _called(node) == "print":
            yield f"{module}:{node.lineno} prints; only the command line speaks to a terminal"
        if own == "adapters" and _formats_sql(node):
            yield f"{module}:{getattr(node, 'lineno', 0)} formats SQL; bind values or compose it"
    if own not in {"adapters", "app"} and own not in ENTRIES:
        yield from _sql_outside(module, tree)


def _sql_outside(module: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in SQL_CALLS:
            yield f"{module}:{node.lineno} calls {_called(node)}; SQL lives in adapters"


def _called(node: ast.Call) -> str:
    """The last name of what is called: `print`, or `execute` for `cursor.execute`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _formats_sql(node: ast.AST) -> bool:
    """Whether the node builds SQL text out of values: f-string, %, + or .format()."""
    if isinstance(node, ast.JoinedStr):
        return _holes(node) and bool(SQL.match(_text(node)))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return bool(SQL.match(_text(node))) and not _constant(node)
    if not isinstance(node, ast.Call):
        return False
    if _called(node) == "format" and isinstance(node.func, ast.Attribute):
        return bool(SQL.match(_text(node.func.value)))  # sql.SQL(...).format(...) has a Call here
    if _called(node) in SQL_CALLS and node.args:
        first = node.args[0]
        return isinstance(first, ast.JoinedStr) and _holes(first)
    return False


def _holes(node: ast.JoinedStr) -> bool:
    return any(isinstance(value, ast.FormattedValue) for value in node.values)


def _constant(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return _constant(node.left) and _constant(node.right)
    return isinstance(node, ast.Constant)


def _text(node: ast.AST) -> str:
    """The literal text a string expression starts with."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return _text(node.values[0]) if node.values else ""
    return _text(node.left) if isinstance(node, ast.BinOp) else ""
