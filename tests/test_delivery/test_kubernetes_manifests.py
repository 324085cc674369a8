"""The manifests: valid for the cluster, closed, and at one with the image and the program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mltrading.errors import ConfigurationError
from mltrading.settings import load_settings
from tests.test_delivery.image import instructions
from tests.test_delivery.kubernetes_fake import MANIFESTS, rendered
from tests.test_delivery.programs import ROOT, tool

pytestmark = pytest.mark.tools

OLDEST, NEWEST = "1.30", "1.37"
ENVIRONMENTS = ("production", "staging")
ALONE = ("release-job.yaml", "secret.example.yaml")  # in no kustomization


def things(name: str) -> list[dict[str, Any]]:
    text = rendered(name) + "\n---\n" + (MANIFESTS / "release-job.yaml").read_text()
    return [one for one in yaml.safe_load_all(text) if one]


def of(kind: str, name: str = "production") -> list[dict[str, Any]]:
    return [one for one in things(name) if one["kind"] == kind]


def pods(name: str = "production") -> list[dict[str, Any]]:
    owners = [one for one in things(name) if one["kind"] in ("Deployment", "Job")]
    found = [one["spec"]["template"]["spec"] for one in owners]
    assert len(found) == 4
    return found


def validated(version: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    words = [tool("kubernetes-validate"), "-k", version, "--strict", "--quiet", *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_valid_and_a_misspelt_field_is_not(version: str, tmp_path: Path) -> None:
    files = []
    for name in ENVIRONMENTS:
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(rendered(name))
    done = validated(version, *files, *(MANIFESTS / name for name in ALONE))
    assert (done.returncode, done.stdout) == (0, "")
    bad = tmp_path / "bad.yaml"
    bad.write_text(rendered("production").replace("imagePullPolicy", "imagePullPolice", 1))
    done = validated(version, bad)
    assert done.returncode == 1 and "imagePullPolice" in done.stdout


def test_every_file_is_part_of_an_environment_or_stands_alone_on_purpose() -> None:
    used = {"base/kustomization.yaml"}
    for path in MANIFESTS.rglob("kustomization.yaml"):
        used.add(str(path.relative_to(MANIFESTS)))
        for name in yaml.safe_load(path.read_text()).get("resources", ()):
            if name.endswith(".yaml"):
                used.add(str((path.parent / name).relative_to(MANIFESTS)))
    there = {str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*.yaml")}
    assert there == used | set(ALONE)


def test_two_colours_of_three_processes_each_behind_a_service_that_names_one() -> None:
    web = [
        one
        for one in of("Deployment")
        if one["spec"]["selector"]["matchLabels"]["component"] == "web"
    ]
    assert {one["spec"]["selector"]["matchLabels"]["colour"] for one in web} == {"blue", "green"}
    for one in web:
        assert one["spec"]["replicas"] == 3
        assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"] == labels
        spread = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert all(rule["labelSelector"]["matchLabels"] == labels for rule in spread)
    chosen = {one["metadata"]["name"]: one["spec"]["selector"] for one in of("Service")}
    assert chosen["mltrading"]["colour"] == "blue"
    assert chosen["mltrading-preview"]["colour"] == "green"


def test_each_colour_has_its_own_scaling_and_disruption_budget() -> None:
    names = {one["metadata"]["name"] for one in of("Deployment")} - {"mltrading-worker"}
    targets = {one["spec"]["scaleTargetRef"]["name"] for one in of("HorizontalPodAutoscaler")}
    assert targets == names
    assert {one["spec"]["minReplicas"] for one in of("HorizontalPodAutoscaler")} == {3}
    budgets = {
        one["spec"]["selector"]["matchLabels"]["colour"] for one in of("PodDisruptionBudget")
    }
    assert budgets == {"blue", "green"}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_pod_runs_with_no_right_it_does_not_need(name: str) -> None:
    user = dict(instructions((ROOT / "deploy/docker/Dockerfile").read_text()))["USER"]
    for pod in pods(name):
        assert pod["automountServiceAccountToken"] is False
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= container["resources"].keys()
            assert "cpu" not in container["resources"]["limits"]  # it would only slow answers
            assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_probes_ask_the_addresses_that_are_there_for_them() -> None:
    for pod in pods():
        (container,) = pod["containers"]
        if container["name"] != "web":
            continue
        paths = {
            probe: container[f"{probe}Probe"]["httpGet"]["path"]
            for probe in ("startup", "liveness", "readiness")
        }
        assert paths == {
            "startup": "/health/live",
            "liveness": "/health/live",
            "readiness": "/health/ready",
        }
        ports = dict(instructions((ROOT / "deploy/docker/Dockerfile").read_text()))
        assert str(container["ports"][0]["containerPort"]) == ports["EXPOSE"]


def test_no_pod_gets_the_variables_of_service_links_which_the_settings_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLTRADING_PORT", "tcp://10.0.0.1:80")  # of the service mltrading
    with pytest.raises(ConfigurationError, match="unknown setting MLTRADING_PORT"):
        load_settings()
    assert [pod["enableServiceLinks"] for pod in pods()] == [False] * 4


def test_a_process_outlives_the_time_it_gives_its_last_answers() -> None:
    from mltrading.cli.gunicorn_conf import graceful_timeout

    for pod in pods():
        (container,) = pod["containers"]
        if container["name"] == "web":
            pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
            assert pod["terminationGracePeriodSeconds"] >= pause + graceful_timeout


def test_the_cluster_starts_what_the_procfile_starts() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    for pod in pods():
        (container,) = pod["containers"]
        if container["name"] != "web":  # that is the image's own command
            assert lines[container["name"]].endswith(" ".join(container["command"]))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_environment_is_the_program_s_environment_of_that_name(name: str) -> None:
    (settings,) = of("ConfigMap", name)
    assert settings["data"] == {"ENVIRONMENT": name, "MLTRADING_PROXY": "on"}
    assert yaml.safe_load((ROOT / f"{name}.yml").read_text())["environment"] == name


def test_secrets_are_named_and_their_example_holds_no_value() -> None:
    examples = yaml.safe_load_all((MANIFESTS / "secret.example.yaml").read_text())
    keys = {one["metadata"]["name"]: one["stringData"] for one in examples}
    assert not any(value for one in keys.values() for value in one.values())
    for pod in pods():
        (container,) = pod["containers"]
        given = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"]}
        # Who may migrate could change the audit trail; no process that visitors meet may.
        owner = {"DATABASE_OWNER_URL"} if container["name"] == "release" else set()
        assert given.keys() == {"DATABASE_URL", "SECRET_KEY"} | owner
        for name, chosen in given.items():
            assert chosen["key"] in keys[chosen["name"]]
            # Without the others nothing would start; without an owner one role does both.
            assert chosen.get("optional", False) is (name in owner)
        referred = [one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one]
        assert referred == ["mltrading-secrets"] and set(referred) <= keys.keys()
    assert not of("Secret")


def test_the_network_is_closed_but_for_visitors_names_the_database_and_the_channels() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of("NetworkPolicy")}
    closed = policies.pop("mltrading-closed")
    assert closed["podSelector"] == {"matchLabels": {"app": "mltrading"}}
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in closed and "egress" not in closed
    rules_in = [rule for one in policies.values() for rule in one.get("ingress", ())]
    assert rules_in == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert policies["mltrading-web-in"]["podSelector"]["matchLabels"]["component"] == "web"
    rules_out = [rule for one in policies.values() for rule in one.get("egress", ())]
    ports = {(port["port"], port["protocol"]) for rule in rules_out for port in rule["ports"]}
    assert ports == {
        (53, "UDP"),
        (53, "TCP"),
        (5432, "TCP"),
        (443, "TCP"),
        (465, "TCP"),
        (587, "TCP"),
    }
    (blocks,) = (rule["to"][0]["ipBlock"] for rule in rules_out if "ipBlock" in str(rule))
    assert "169.254.0.0/16" in blocks["except"]


def test_only_the_named_account_may_deliver_and_only_what_it_calls() -> None:
    for name in ENVIRONMENTS:
        (role,), (binding,) = of("Role", name), of("RoleBinding", name)
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "mltrading-delivery", "namespace": "mltrading"}
        ]
        kinds = {kind for rule in role["rules"] for kind in rule["resources"]}
        assert kinds == {"services", "deployments", "replicasets", "pods", "jobs"}
        assert "*" not in str(role["rules"])
