"""Run axe-core, the accessibility rules, in the page a browser shows."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

SERIOUS = {"serious", "critical"}
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']})
  .then(found => done(found.violations.map(v => ({
    id: v.id, impact: v.impact, help: v.help,
    nodes: v.nodes.map(n => `${n.target.join(' ')} ${n.failureSummary.split('\\n').slice(1)}`),
  }))));
"""


@cache
def _script() -> str:
    # Located, never imported: the package wants a browser framework that is not installed.
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("axe-core is missing; python -m tools.setup_tests installs it")
    return Path(spec.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")


def serious(driver: Any) -> list[str]:
    """The serious and critical findings of the page `driver` shows, one line each."""
    if not driver.execute_script("return 'axe' in window"):
        driver.execute_script(_script())
    return [
        f"{finding['id']} ({finding['impact']}): {finding['help']}; {'; '.join(finding['nodes'])}"
        for finding in driver.execute_async_script(_RUN)
        if finding["impact"] in SERIOUS
    ]
