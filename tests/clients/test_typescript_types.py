"""Our types for TypeScript are those that openapi-typescript reads from the same document."""

import re
import shutil
from pathlib import Path

import pytest

from tests.clients.toolchain import DOCUMENT, ROOT, needs_clients, run, typescript_project

OURS = ROOT / "sdk/typescript/src/api.ts"
_HEAD = """\
import type * as ours from "./api.js";
import type { components } from "./schema.js";

type Theirs = components["schemas"];
type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;
"""


@needs_clients
@pytest.mark.torture
@pytest.mark.timeout(300)
async def test_two_generators_read_the_same_types_from_the_document(tmp_path: Path) -> None:
    names = set(re.findall(r"^export (?:type|interface) (\w+)", OURS.read_text(), re.MULTILINE))
    names -= {"DecimalText", "Timestamp"}  # the head's own
    assert {"Config", "PositionReport", "ProblemCode", "Release", "TradeBatch"} <= names

    typescript_project(tmp_path)
    shutil.copy(OURS, tmp_path)
    made = ("openapi-typescript", DOCUMENT, "--default-non-nullable=false", "-o", "schema.ts")
    await run(*made, cwd=tmp_path)
    checks = [f'export const {name}: Same<ours.{name}, Theirs["{name}"]> = true;' for name in names]
    (tmp_path / "check.ts").write_text("\n".join([_HEAD, *sorted(checks), ""]))
    await run("tsc", "-p", tmp_path, cwd=tmp_path)
