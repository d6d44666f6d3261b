"""The bill of materials and the notices of a release."""

import json
import os
import subprocess
import zipfile
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pytest

from scripts.check_references import ROOT
from scripts.lock import Pin, read_lock
from scripts.notices import NoLicence, notices
from scripts.release import (
    BUNDLED,
    LOCK,
    can_build_npm_package,
    main,
    swagger_ui_version,
    version,
)
from scripts.sbom import bill_of_materials

AT = datetime(2026, 11, 28, tzinfo=UTC)
PINS = read_lock(LOCK)


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(written())
    return document


def written() -> str:
    return bill_of_materials(PINS, version(), AT, swagger_ui=swagger_ui_version())


def test_every_pinned_package_is_in_the_bill_with_its_hashes(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/botkeys-server@{version()}"
    components = {component["name"]: component for component in bill["components"]}
    lines = LOCK.read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line and line[0].isalnum()}
    assert components.keys() == pinned | {"botkeys", "swagger-ui-dist"}
    for pin in PINS:
        component = components[pin.name]
        assert component["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"
        found = {item["hashes"][0]["content"] for item in component["externalReferences"]}
        assert found == set(pin.hashes)
    total = sum(line.count("--hash=sha256:") for line in lines)
    assert sum(len(pin.hashes) for pin in PINS) == total


def test_every_package_on_this_machine_has_a_licence_in_the_bill(bill: dict[str, Any]) -> None:
    elsewhere = {pin.name for pin in PINS if pin.marker is not None}
    without = {item["name"] for item in bill["components"] if not item.get("licenses")}
    assert without <= elsewhere


def test_the_bill_says_what_needs_what(bill: dict[str, Any]) -> None:
    needs = {item["ref"]: set(item.get("dependsOn", ())) for item in bill["dependencies"]}
    server = needs[f"pkg:pypi/botkeys-server@{version()}"]
    fastapi = f"pkg:pypi/fastapi@{installed_version('fastapi')}"
    assert {fastapi, f"pkg:pypi/botkeys@{version()}"} <= server
    assert f"pkg:pypi/starlette@{installed_version('starlette')}" in needs[fastapi]
    reached, waiting = set(), [f"pkg:pypi/botkeys-server@{version()}"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += needs[name]
    assert reached == needs.keys()


def test_the_same_sources_give_the_same_bill() -> None:
    assert written() == written()


def test_every_package_has_its_licence_in_the_notices() -> None:
    text = notices(PINS, BUNDLED)
    for pin in PINS:
        assert f"\n{pin.name} {pin.version}: " in text
    for sentence in ("Permission is hereby granted", "Mozilla Public License", "SmartBear"):
        assert sentence in text
    assert str(ROOT) not in text


@pytest.mark.parametrize(
    "pin",
    [
        Pin("no-such-package", "1", None, ("0" * 64,), ()),
        Pin("fastapi", "0.0.1", None, ("0" * 64,), ()),
    ],
)
def test_a_package_whose_licence_cannot_be_found_stops_a_release(pin: Pin) -> None:
    with pytest.raises(NoLicence):
        notices([pin], BUNDLED)


@pytest.mark.parametrize("text", ["fastapi==1\n", "-e .\n", "fastapi>=1 \\\n"])
def test_a_lock_file_without_hashes_or_pins_is_refused(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(text)
    with pytest.raises(ValueError, match=r"no hash|no pin"):
        read_lock(lock)


def test_the_image_is_built_from_a_base_with_a_digest_alone() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert set(bases) == {"${PYTHON_IMAGE}"}
    assert "ARG PYTHON_IMAGE" in lines[: lines.index("FROM ${PYTHON_IMAGE} AS build")]
    check = next(line for line in lines if "sha256:[0-9a-f]" in line)
    shell = check.removeprefix("RUN ").removesuffix("\\").strip()
    for image, accepted in (
        ("python:3.11-slim", False),
        ("", False),
        ("python@sha256:abc", False),
        (f"python:3.11-slim@sha256:{'0a' * 32}", True),
    ):
        done = subprocess.run(  # noqa: S603  # our own line
            ["/bin/sh", "-c", shell], env={**os.environ, "PYTHON_IMAGE": image}, check=False
        )
        assert (done.returncode == 0) is accepted


@pytest.mark.torture
def test_a_release_has_both_wheels_the_npm_package_and_its_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["release", str(tmp_path / "dist")])
    main()
    files = {path.name for path in (tmp_path / "dist").iterdir()}
    npm = {f"botkeys-{version()}.tgz"} if can_build_npm_package() else set[str]()
    assert files == npm | {
        f"botkeys-{version()}-py3-none-any.whl",
        f"botkeys_server-{version()}-py3-none-any.whl",
        f"botkeys-server-{version()}.cdx.json",
        "THIRD-PARTY-NOTICES.txt",
    }
    server = zipfile.ZipFile(tmp_path / "dist" / f"botkeys_server-{version()}-py3-none-any.whl")
    assert "app/main.py" in server.namelist()
    assert any(name.startswith("migrations/versions/") for name in server.namelist())
