"""Cut GitHub's OpenAPI description down to the operations that delivery/ calls, as JSON Schema.

    python -m tools.node_packages
    python -m tools.trim_openapi      writes tests/test_delivery/schemas/github.json

The description (13 MB, MIT licence) is npm's @octokit/openapi, pinned in
tests/test_delivery/node/package-lock.json; the tests need only the cut, and no network. Words and
examples go; OpenAPI 3.0's `nullable` becomes a type `null`.
"""

from __future__ import annotations

import json
from typing import Any

from tools.bootstrap import ROOT
from tools.node_packages import MODULES

SOURCE = MODULES / "@octokit/openapi"
TARGET = ROOT / "tests/test_delivery/schemas/github.json"
REPO = "/repos/{owner}/{repo}"
OPERATIONS = {
    REPO: ("get", "patch"),
    f"{REPO}/actions/artifacts": ("get",),
    f"{REPO}/actions/runs/{{run_id}}": ("get",),
    f"{REPO}/actions/runs/{{run_id}}/approvals": ("get",),
    f"{REPO}/actions/runs/{{run_id}}/jobs": ("get",),
    f"{REPO}/actions/secrets": ("get",),
    f"{REPO}/actions/workflows/{{workflow_id}}/runs": ("get",),
    f"{REPO}/branches/{{branch}}/protection": ("get", "put"),
    f"{REPO}/check-runs/{{check_run_id}}/annotations": ("get",),
    f"{REPO}/commits/{{ref}}/check-runs": ("get",),
    f"{REPO}/compare/{{basehead}}": ("get",),
    f"{REPO}/deployments": ("get",),
    f"{REPO}/deployments/{{deployment_id}}/statuses": ("get",),
    f"{REPO}/environments/{{environment_name}}": ("get", "put"),
    f"{REPO}/environments/{{environment_name}}/deployment-branch-policies": ("get", "post"),
    f"{REPO}/environments/{{environment_name}}/deployment-branch-policies/{{branch_policy_id}}": (
        "delete",
    ),
    f"{REPO}/environments/{{environment_name}}/secrets": ("get",),
    f"{REPO}/issues": ("get", "post"),
    f"{REPO}/issues/{{issue_number}}": ("patch",),
    "/orgs/{org}/teams/{team_slug}": ("get",),
    "/users/{username}": ("get",),
}
WORDS = {"description", "example", "examples", "title", "externalDocs", "summary", "x-github"}


def cut(description: dict[str, Any]) -> dict[str, Any]:
    """The operations with the schemas that they refer to, directly or not."""
    paths = {
        path: {method: _operation(description, path, method) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    schemas: dict[str, Any] = {}
    wanted = _references(paths)
    while wanted:
        name = wanted.pop()
        schemas[name] = schema(description["components"]["schemas"][name])
        wanted |= _references(schemas[name]) - schemas.keys()
    return {"schemas": dict(sorted(schemas.items())), "paths": paths}


def _operation(description: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    whole = description["paths"][path]
    operation = whole[method]
    parameters = [
        _resolved(description, each)
        for each in (*whole.get("parameters", ()), *operation.get("parameters", ()))
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return {
        "parameters": [
            {"name": each["name"], "in": each["in"], "schema": schema(each["schema"])}
            for each in parameters
        ],
        "request": schema(body["schema"]) if body else None,
        "responses": {
            status: _response(_resolved(description, response))
            for status, response in operation["responses"].items()
        },
    }


def _response(response: dict[str, Any]) -> Any:
    content = response.get("content", {}).get("application/json")
    return schema(content["schema"]) if content else None


def _resolved(description: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = description
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def schema(part: Any, named: bool = False) -> Any:
    """OpenAPI 3.0's schema as JSON Schema; `named`: the keys are names of properties."""
    if isinstance(part, list):
        return [schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: value if key in ("enum", "required") else schema(value, named=key == "properties")
        for key, value in part.items()
        if named or (key not in WORDS and key not in ("nullable", "deprecated"))
    }
    if named or not part.get("nullable"):
        return _moved(kept)
    if "enum" in kept and None not in kept["enum"]:
        kept["enum"] = [*kept["enum"], None]
    if isinstance(kept.get("type"), str) and not {"anyOf", "oneOf", "allOf"} & kept.keys():
        return {**kept, "type": [kept["type"], "null"]}
    return _moved({"anyOf": [kept, {"type": "null"}]})


def _moved(part: dict[str, Any]) -> dict[str, Any]:
    target = part.get("$ref")
    if isinstance(target, str):
        return {"$ref": target.replace("#/components/schemas/", "#/schemas/")}
    return part


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_references, part))
    if not isinstance(part, dict):
        return set()
    found = set().union(*map(_references, part.values()))
    target = part.get("$ref")
    return found | {target.removeprefix("#/schemas/")} if isinstance(target, str) else found


def main() -> None:
    package = json.loads((SOURCE / "package.json").read_text())
    description = json.loads((SOURCE / "generated/api.github.com.json").read_text())
    origin = f"npm {package['name']} {package['version']}, MIT licence, by tools/trim_openapi.py"
    lines = json.dumps({"origin": origin, **cut(description)}, indent=None, sort_keys=False)
    TARGET.write_text(lines.replace('}, "', '},\n"') + "\n")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
