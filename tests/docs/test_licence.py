"""All distributions name the licence and carry its text."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.check_references import ROOT

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence as the Apache Software Foundation publishes it."""


@pytest.mark.parametrize("folder", [ROOT, ROOT / "sdk/python"])
def test_a_distribution_names_its_licence_and_carries_the_whole_text(folder: Path) -> None:
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert project["authors"] == [{"name": "The Botkeys authors"}]
    (text,) = project["license-files"]
    assert hashlib.sha256((folder / text).read_bytes()).hexdigest() == APACHE_2_0


def test_the_npm_package_names_its_licence_and_carries_the_whole_text() -> None:
    package = json.loads((ROOT / "sdk/typescript/package.json").read_text())
    assert package["license"] == "Apache-2.0"
    assert package["author"] == "The Botkeys authors"
    text = (ROOT / "sdk/typescript/LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == APACHE_2_0
