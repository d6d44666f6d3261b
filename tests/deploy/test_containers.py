"""Containers can do nothing that they need not, in Compose and on Kubernetes alike (R93)."""

import json
import re
from typing import Any

import pytest

from tests.deploy.deployed import ROOT, compose, manifests, pods

PODS = {name: (pod, labels) for name, pod, labels in pods()}
SERVICES = compose()["services"]
OURS = ("api-1", "api-2", "runtime-1", "runtime-2", "catalogue", "purge", "webhooks")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_of_compose_has_no_rights(service: str) -> None:
    found = SERVICES[service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"].split(":")[0] not in {"", "0", "root"}
    assert "@sha256:" in found["image"]
    assert "privileged" not in found
    assert all(mount.endswith(":ro") or ":/var/" in mount for mount in found.get("volumes", []))


@pytest.mark.parametrize("service", OURS)
def test_a_process_of_compose_is_bounded_watched_and_started_again(service: str) -> None:
    found = SERVICES[service]
    assert found["user"] == "10001:10001"
    assert found["ulimits"] == {"nofile": 65536, "core": 0}
    assert found["restart"] == "unless-stopped"
    assert {"mem_limit", "pids_limit", "healthcheck", "logging"} <= found.keys()
    assert "test" not in found["healthcheck"]  # it is the image's
    assert "ports" not in found
    [secret] = found["secrets"]
    role = found["command"][2]
    assert secret == {"source": f"{role}-database-url", "target": "database-url"}
    keys = [mount for mount in found["volumes"] if "keys" in mount]
    held = role in {"api", "runtime", "webhooks"}
    assert keys == ([f"./data/{role}/keys:/run/botkeys/keys:ro"] if held else [])


def test_nobody_but_nginx_is_reached_and_the_purge_worker_reaches_nobody() -> None:
    networks = compose()["networks"]
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["nginx"]
    assert SERVICES["postgres"]["network_mode"] == "none"
    assert SERVICES["migrate"]["network_mode"] == "none"
    assert SERVICES["purge"]["networks"] == ["operations"]
    assert networks["operations"]["internal"] is networks["front"]["internal"] is True
    serving = {name for name, one in SERVICES.items() if "front" in one.get("networks", ())}
    assert serving == {"nginx", "api-1", "api-2", "runtime-1", "runtime-2"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights(name: str) -> None:
    pod, _ = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= container["resources"].keys()
    for volume in pod["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_the_secrets_of_its_role_alone(name: str) -> None:
    pod, _ = PODS[name]
    secrets = {one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
    role = name.removeprefix("botkeys-")
    expected = {
        "proxy": {"botkeys-tls"},
        "migrate": {"botkeys-owner-database"},
        "catalogue": {"botkeys-catalogue-database"},
        "purge": {"botkeys-purge-database"},
    }
    assert secrets == expected.get(role, {f"botkeys-{role}-database", f"botkeys-{role}-keys"})


@pytest.mark.parametrize("name", ["botkeys-api", "botkeys-runtime"])
def test_a_pod_that_serves_is_replaced_without_a_gap(name: str) -> None:
    found = {(one["kind"], one["metadata"]["name"]): one for one in manifests("base")}
    deployment = found["Deployment", name]["spec"]
    [container] = deployment["template"]["spec"]["containers"]
    assert deployment["replicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause + 10 < deployment["template"]["spec"]["terminationGracePeriodSeconds"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "operations"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "operations"}
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": 8000, "operations": 8001}
    selector = {"matchLabels": {"app.kubernetes.io/name": name}}
    assert found["PodDisruptionBudget", name]["spec"]["selector"] == selector
    assert found["Service", name]["spec"]["ports"] == [
        {"name": "http", "port": 8000, "targetPort": "http"}  # and not that for operators
    ]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} >= {"kubernetes.io/hostname"}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Return whether a selector of labels fits."""
    matched = all(
        labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()
    )
    return matched and all(
        labels.get(one["key"]) in one["values"]
        for one in selector.get("matchExpressions", [])
        if one["operator"] == "In"
    )


def permitted(direction: str, name: str) -> list[dict[str, Any]]:
    """Return the rules of all policies for a pod's traffic in one direction."""
    _, labels = PODS[name]
    policies = [
        one["spec"]
        for one in manifests("base", "proxy")
        if one["kind"] == "NetworkPolicy" and selects(one["spec"]["podSelector"], labels)
    ]
    kind = direction.capitalize()
    assert any(kind in one["policyTypes"] for one in policies), "nothing restricts it"
    return [rule for one in policies for rule in one.get(direction, [])]


def ports(rules: list[dict[str, Any]]) -> set[int]:
    return {one["port"] for rule in rules for one in rule["ports"]}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_reaches_and_is_reached_by_nobody_who_is_not_named(name: str) -> None:
    outgoing, incoming = permitted("egress", name), permitted("ingress", name)
    if name in {"botkeys-purge", "botkeys-migrate"}:
        assert ports(outgoing) == {5432, 53}  # the database, and its name
    elif name == "botkeys-proxy":
        assert ports(outgoing) == {8000, 53}
    else:
        assert ports(outgoing) == {5432, 53, 443}
    if name in {"botkeys-api", "botkeys-runtime"}:
        assert ports(incoming) == {8000, 8001}
        [users] = [rule for rule in incoming if rule["ports"] == [{"port": 8000}]]
        [sender] = users["from"]
        _, proxy = PODS["botkeys-proxy"]
        assert selects(sender["podSelector"], proxy)
        assert not any(
            selects(sender["podSelector"], PODS[one][1]) for one in PODS if one != "botkeys-proxy"
        )
    elif name not in {"botkeys-proxy", "botkeys-migrate"}:
        assert ports(incoming) == {8001}


def test_the_image_is_pinned_read_only_and_asks_itself() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(bases) == {"${PYTHON_IMAGE}"}
    assert re.findall(r"^ARG PYTHON_IMAGE(.*)$", text, re.MULTILINE) == ["", ""]  # no default
    assert r"@sha256:[0-9a-f]\{64\}$" in text
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001"]
    check = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", text, re.MULTILINE)
    assert check is not None
    assert json.loads(check[1]) == ["botkeys", "health"]
    assert "VOLUME" not in text
