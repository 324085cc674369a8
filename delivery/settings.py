"""`python -m delivery settings show|check|apply`: the repository's settings as a file.

repository-settings.json says how the repository, its branches and its environments have to be set;
`check` prints what differs and fails, `apply` changes just that, reads everything again and fails
where GitHub did not keep it. Secrets are only named here: their values are typed into GitHub, and
one that is missing is told with the place it belongs to.

The token needs the right to administer the repository; a workflow's own token never has it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError, PlatformError
from delivery.forge import Forge, need

FILE = Path(__file__).with_name("repository-settings.json")
SWITCHES = (
    *("enforce_admins", "required_linear_history", "required_conversation_resolution"),
    *("allow_force_pushes", "allow_deletions"),
)
REVIEWS = (
    *("required_approving_review_count", "dismiss_stale_reviews", "require_code_owner_reviews"),
    "require_last_push_approval",
)
MISSING = "(missing)"
CHOSEN_BRANCHES = {"protected_branches": False, "custom_branch_policies": True}


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting: `where` by its path in the file, as it is at GitHub and as the file wants it."""

    where: tuple[str, ...]
    found: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{'.'.join(self.where)}: {_shown(self.found)} -> {_shown(self.wanted)}"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["show", "check", "apply"])
    parser.add_argument("--dry-run", action="store_true", help="apply: say it, change nothing")
    parser.add_argument("--file", type=Path, default=FILE, help="default: %(default)s")
    parser.epilog = "example: python -m delivery settings apply --dry-run"
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    forge = Forge.from_environment()
    wanted = load(arguments.file)
    if arguments.action == "show":
        print(json.dumps(found(forge, wanted), indent=2, sort_keys=True))
        return 0
    different = list(compare(found(forge, wanted), expected(wanted)))
    absent = list(missing_secrets(forge, wanted))
    if different and arguments.action == "apply" and not arguments.dry_run:
        print("\n".join(map(str, different)))
        apply(forge, wanted, different)
        different = list(compare(found(forge, wanted), expected(wanted)))
        if different:
            raise DeliveryError(f"GitHub did not keep {'; '.join(map(str, different))}")
        print("applied")
    print("\n".join([*map(str, different), *absent]) or "as the file says")
    if arguments.action == "apply":
        return 0
    return 1 if different or not all(line.startswith("optional") for line in absent) else 0


def load(path: Path) -> dict[str, Any]:
    try:
        wanted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeliveryError(f"can not read {path}: {error}") from None
    if not isinstance(wanted, dict):
        raise DeliveryError(f"{path} holds no object")
    return wanted


def expected(wanted: dict[str, Any]) -> dict[str, Any]:
    """The part of the file that is compared with GitHub: no names of secrets, and not who may push
    to a branch, which GitHub leaves out where nobody is named."""
    return {
        "repository": wanted["repository"],
        "branches": {
            name: _without(one, "restrictions") for name, one in wanted["branches"].items()
        },
        "environments": {
            name: _without(one, "secrets") for name, one in wanted["environments"].items()
        },
    }


def _without(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


def found(forge: Forge, wanted: dict[str, Any]) -> dict[str, Any]:
    """The same settings as they are at GitHub; None where there is no such branch rule or
    environment."""
    repository = forge.get()
    names = {_reviewer(forge, one): one for one in _reviewers(wanted)}
    return {
        "repository": {name: repository.get(name) for name in wanted["repository"]},
        "branches": {name: _branch(forge, name) for name in wanted["branches"]},
        "environments": {name: _environment(forge, name, names) for name in wanted["environments"]},
    }


def compare(here: Any, there: Any, where: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Setting by setting; a whole part that is missing is one difference."""
    if isinstance(here, dict) and isinstance(there, dict):
        for name in {**there, **here}:
            yield from compare(here.get(name), there.get(name), (*where, name))
    elif here != there:
        yield Difference(where, here, there)


def apply(forge: Forge, wanted: dict[str, Any], different: list[Difference]) -> None:
    """Write each part that differs, whole; the others are left alone."""
    parts = {one.where[:1] if one.where[0] == "repository" else one.where[:2] for one in different}
    for part in sorted(parts):
        if part[0] == "repository":
            forge.client.patch(forge.path(), wanted["repository"], repeat=True)
        elif part[0] == "branches":
            address = forge.path("branches", part[1], "protection")
            forge.client.put(address, wanted["branches"][part[1]])
        else:
            _write_environment(forge, part[1], wanted["environments"][part[1]])


def missing_secrets(forge: Forge, wanted: dict[str, Any]) -> Iterator[str]:
    """A line for each secret that is named in the file and not stored at GitHub."""
    stored = _secrets(forge, "actions")
    for name in wanted["secrets"]:
        if name not in stored:
            yield f"secret {name}: {MISSING}; gh secret set {name}"
    for name in wanted["optional_secrets"]:
        if name not in stored:
            yield f"optional secret {name}: {MISSING}; what needs it says that it was skipped"
    for environment, settings in wanted["environments"].items():
        try:
            stored = _secrets(forge, "environments", environment)
        except PlatformError as error:
            if error.status != 404:
                raise
            stored = set()
        for name in settings["secrets"]:
            if name not in stored:
                yield (
                    f"secret {name} of {environment}: {MISSING};"
                    f" gh secret set {name} --env {environment}"
                )


def _secrets(forge: Forge, *place: str) -> set[str]:
    return {need(one, "name", str) for one in forge.pages(*place, "secrets", key="secrets")}


def _branch(forge: Forge, name: str) -> dict[str, Any] | None:
    """Protection in the file's shape; GitHub wraps each switch in {enabled}."""
    try:
        shown = forge.get("branches", name, "protection")
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    checks, reviews = shown.get("required_status_checks"), shown.get(
        "required_pull_request_reviews"
    )
    found: dict[str, Any] = {
        switch: bool((shown.get(switch) or {}).get("enabled")) for switch in SWITCHES
    }
    found["required_status_checks"] = checks and {
        "strict": checks.get("strict"),
        "checks": [{key: one[key] for key in ("context", "app_id")} for one in checks["checks"]],
    }
    found["required_pull_request_reviews"] = reviews and {key: reviews.get(key) for key in REVIEWS}
    return found


def _environment(
    forge: Forge, name: str, names: dict[tuple[str, int], str]
) -> dict[str, Any] | None:
    try:
        shown = forge.get("environments", name)
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    found: dict[str, Any] = {"reviewers": [], "prevent_self_review": False, "wait_timer": 0}
    for rule in shown.get("protection_rules", []):
        if rule["type"] == "wait_timer":
            found["wait_timer"] = rule["wait_timer"]
        if rule["type"] == "required_reviewers":
            found["prevent_self_review"] = bool(rule.get("prevent_self_review"))
            keys = [(one["type"], one["reviewer"]["id"]) for one in rule["reviewers"]]
            found["reviewers"] = [names.get(key) or f"{key[0].lower()} {key[1]}" for key in keys]
    policy = shown.get("deployment_branch_policy") or {}
    custom = policy.get("custom_branch_policies")
    found["branches"] = sorted(one["name"] for one in _policies(forge, name)) if custom else None
    return found


def _policies(forge: Forge, name: str) -> list[dict[str, Any]]:
    return list(
        forge.pages("environments", name, "deployment-branch-policies", key="branch_policies")
    )


def _write_environment(forge: Forge, name: str, wanted: dict[str, Any]) -> None:
    keys = [_reviewer(forge, one) for one in wanted["reviewers"]]
    body = {
        "wait_timer": wanted["wait_timer"],
        "prevent_self_review": wanted["prevent_self_review"],
        "reviewers": [{"type": kind, "id": number} for kind, number in keys],
        "deployment_branch_policy": wanted["branches"] and CHOSEN_BRANCHES,
    }
    forge.client.put(forge.path("environments", name), body)
    if wanted["branches"] is None:
        return
    address = ("environments", name, "deployment-branch-policies")
    there = {one["name"]: one["id"] for one in _policies(forge, name)}
    for branch in wanted["branches"]:
        if branch not in there:
            sent = {"name": branch, "type": "branch"}
            forge.client.post(forge.path(*address), sent, repeat=True)
    for branch, number in there.items():
        if branch not in wanted["branches"]:
            forge.client.delete(forge.path(*address, number))


def _reviewers(wanted: dict[str, Any]) -> set[str]:
    return {one for each in wanted["environments"].values() for one in each["reviewers"]}


def _reviewer(forge: Forge, text: str) -> tuple[str, int]:
    """GitHub's type and number of `user:LOGIN` or `team:SLUG`."""
    kind, _, name = text.partition(":")
    owner = forge.repository.partition("/")[0]
    addresses = {"user": f"/users/{name}", "team": f"/orgs/{owner}/teams/{name}"}
    if kind not in addresses or not name:
        raise DeliveryError(f"reviewer {text!r} is neither user:LOGIN nor team:SLUG")
    try:
        number = need(forge.client.get(addresses[kind]).body, "id", int)
    except PlatformError as error:
        if error.status != 404:
            raise
        raise DeliveryError(
            f"GitHub knows no reviewer {text!r}; name those who approve production in"
            f" {FILE.name}, as user:LOGIN or as team:SLUG of {owner}"
        ) from None
    return kind.title(), number


def _shown(value: Any) -> str:
    return MISSING if value is None else json.dumps(value, sort_keys=True)
