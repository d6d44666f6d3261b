"""The TypeScript package: its own tests, what it packs, and bots with it on the running service."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.api.streaming import StreamLimits
from scripts.release import version
from tests.sdk.typescript.conftest import PACKAGE, ROOT, Built, blocks, run
from tests.support.assets import BTC, add_asset
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.streaming import streaming
from tests.support.world import World

pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def environment(world: World, **key: Any) -> AsyncIterator[dict[str, str]]:
    """Serve the world behind a socket; yield what a bot's program needs."""
    user = world.user()
    await list_instruments(world, OKX, instrument(BTC))
    added = await user.add_key(**key)
    await add_asset(user, added)
    bot = await user.add_bot()
    assert (await user.assign(bot["id"], added["id"])).status_code == 200
    given = {"key_id": added["id"], "bot_id": bot["id"], "symbol": BTC}
    body = world.new_key()
    given |= {"api_key": body["api_key"], "api_secret": body["api_secret"]}
    token = (await user.mint(bot["id"])).token
    async with streaming(world, StreamLimits()) as served:
        yield {
            "BASE_URL": str(served.http.base_url).rstrip("/"),
            "BOT_TOKEN": token,
            "USER_TOKEN": user.token,
            "GIVEN": json.dumps(given),
        }


def test_its_own_tests_pass(built: Built) -> None:
    files = sorted((built.package / "test").glob("*.test.mjs"))
    vectors = {"CUSTODY_VECTORS": str(ROOT / "docs/custody-vectors.json")}
    tap = "--test-reporter=tap"
    printed = run("node", "--test", tap, *files, cwd=built.package, env=vectors)
    assert "\n# fail 0" in printed
    assert "\n# skipped 0" in printed


@pytest.mark.torture
def test_it_packs_what_a_bot_needs_and_no_more(built: Built) -> None:
    modules = [path.relative_to(PACKAGE / "src") for path in (PACKAGE / "src").rglob("*.ts")]
    compiled = {
        f"dist/{module.with_suffix(suffix)}" for module in modules for suffix in (".js", ".d.ts")
    }
    assert set(built.packed) == {"LICENSE", "README.md", "package.json"} | compiled


def test_its_package_and_lock_are_those_of_the_release() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    text = (PACKAGE / "package-lock.json").read_text()
    lock = json.loads(text)
    assert package["name"] == "botkeys"
    assert package["license"] == "Apache-2.0"
    assert package["author"] == "The Botkeys authors"
    assert package["version"] == lock["version"] == version()
    assert set(package["dependencies"]) == {"@noble/post-quantum"}
    installed = [each for name, each in lock["packages"].items() if name]
    assert installed
    for each in installed:
        assert each["integrity"].startswith("sha512-")
        assert "resolved" not in each


async def test_a_bot_works_with_it_on_the_running_service(built: Built, busy_world: World) -> None:
    async with environment(busy_world, verify=False) as env:
        printed = await asyncio.to_thread(
            run, "node", "compiled/sdk.js", cwd=built.project, env=env
        )
    assert printed == "done\n"


async def test_the_minimal_client_of_the_documentation_works(
    built: Built, busy_world: World, tmp_path: Path
) -> None:
    (program,) = [block for block in blocks(ROOT / "docs/bots.md") if "createDecipheriv" in block]
    assert not re.search(r'from "(?!node:)', program)  # it installs nothing
    number = blocks(ROOT / "docs/bots.md").index(program)
    async with environment(busy_world) as env:
        token = tmp_path / "bot.token"
        token.write_text(env["BOT_TOKEN"])
        command = ("node", f"compiled/bots_{number}.js", env["BASE_URL"], token, "okx", "testnet")
        printed = await asyncio.to_thread(run, *command, cwd=built.project)
    assert "status: 'stored'" in printed
    length = len(json.loads(env["GIVEN"])["api_key"])
    assert printed.endswith(f"done with a key of {length} characters on okx\n")
