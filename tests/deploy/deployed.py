"""What is in deploy/, read: processes with their commands, settings and files, by platform."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SYSTEMD = DEPLOY / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
_VALUES = {"OIDC_ISSUER": "https://login.example.com/", "NGINX_IMAGE": "nginx@sha256:1"}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process of the service: its command without `botkeys`, and its settings."""

    name: str
    command: tuple[str, ...]
    settings: dict[str, str]

    @property
    def role(self) -> str:
        """The role or task of its command."""
        return self.command[2] if len(self.command) > 2 else self.command[0]


@cache
def compose() -> dict[str, Any]:
    """Return compose.yaml, its variables replaced by defaults and examples."""
    text = (DEPLOY / "compose" / "compose.yaml").read_text()

    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        return default if kind == ":-" else _VALUES.get(name, f"{name.lower()}@sha256:1")

    document: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, text))
    return document


@cache
def manifests(*folders: str) -> tuple[dict[str, Any], ...]:
    """Return every object of these folders of deploy/kubernetes."""
    return tuple(
        found
        for folder in folders
        for file in sorted((KUBERNETES / folder).glob("*.yaml"))
        if file.name != "kustomization.yaml"
        for found in yaml.safe_load_all(file.read_text())
    )


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield the name, the specification and the labels of each pod."""
    for found in manifests("base", "proxy"):
        if found["kind"] in {"Deployment", "Job"}:
            template = found["spec"]["template"]
            labels = {"app.kubernetes.io/part-of": "botkeys", **template["metadata"]["labels"]}
            yield found["metadata"]["name"], template["spec"], labels


def unit(file: Path) -> dict[str, list[str]]:
    """Return the values of each directive of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def of_compose() -> Iterator[Deployed]:
    for name, service in compose()["services"].items():
        if service["image"].startswith("botkeys_image"):
            yield Deployed(f"compose {name}", tuple(service["command"]), service["environment"])


def of_kubernetes() -> Iterator[Deployed]:
    literals: dict[str, dict[str, str]] = {}
    for folder in ("base", "example"):
        generated = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
        for one in generated["configMapGenerator"]:
            pairs = (literal.partition("=")[::2] for literal in one["literals"])
            literals.setdefault(one["name"], {}).update(pairs)
    for name, pod, _ in pods():
        for container in pod["containers"]:
            if container["image"] != "botkeys":
                continue
            settings = {one["name"]: one["value"] for one in container["env"]}
            for source in container["envFrom"]:
                settings |= literals[source["configMapRef"]["name"]]
            yield Deployed(f"kubernetes {name}", tuple(container["args"]), settings)


def of_systemd() -> Iterator[Deployed]:
    lines = (SYSTEMD / "botkeys.env").read_text().splitlines()
    common = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    for file in UNITS:
        found = unit(file)
        own = dict(one.split("=", 1) for one in found["Environment"])
        settings = {name: text.replace("%i", "1") for name, text in (common | own).items()}
        words = shlex.split(found["ExecStart"][0])
        command = words[1:] if words[0].endswith("/botkeys") else ["audit", "verify"]
        yield Deployed(f"systemd {file.name}", tuple(command), settings)


def of_image() -> Deployed:
    text = (ROOT / "Dockerfile").read_text()
    variables = re.findall(r"BOTKEYS_\w+=\S+", text)
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert command is not None
    settings = dict(one.split("=", 1) for one in variables)
    return Deployed("image", tuple(json.loads(command[1])), settings)


def deployed() -> list[Deployed]:
    """Return every process of every platform; containers have the image's settings as well."""
    image = of_image()
    containers = (
        Deployed(one.name, one.command, image.settings | one.settings)
        for one in (*of_compose(), *of_kubernetes())
    )
    return [image, *containers, *of_systemd()]


PROCESSES_WATCHED = {
    one.name.removeprefix("compose "): one.role for one in of_compose() if one.role != "migrate"
}
"""The role of each service of compose.yaml that serves metrics."""
