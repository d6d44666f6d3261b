"""The SDK in an environment of its own, beside a bot that has an `app/` folder too."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from botkeys.cli import SERVER_COMMANDS
from tests.processes.conftest import Run
from tests.processes.running import ROOT, Service, environment, output_of
from tests.processes.trading import new_key, new_trader, sent

SERVER_ONLY = ("alembic", "asyncpg", "fastapi", "greenlet", "sqlalchemy", "starlette", "uvicorn")
ADDRESS = "http://127.0.0.1:8000"
SYMBOL = "BTC-USDT-SWAP"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
OFFLINE = ["--quiet", "--no-deps", "--no-index"]


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot's environment and the folder in which it works."""

    wheel: Path
    bin: Path
    folder: Path

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def prints(self, code: str) -> list[str]:
        return output_of(self.python, "-c", code, env=environment(), cwd=self.folder).split()


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    """Install the SDK as `pip install ./sdk/python` does; its dependencies are those of ours."""
    made = tmp_path_factory.mktemp("bot")
    source = made / "python"
    # Building writes into the source folder.
    shutil.copytree(
        ROOT / "sdk" / "python",
        source,
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )
    pip("wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", made, source)
    [wheel] = made.glob("*.whl")
    venv.create(made / "venv", symlinks=True)
    python = made / "venv" / "bin" / "python"
    pip("--python", python, "install", *OFFLINE, "--no-compile", wheel)
    [packages] = (made / "venv" / "lib").glob("python*/site-packages")
    [installed] = packages.glob("botkeys-*.dist-info")
    for needed in dependencies(PathDistribution(installed)):
        link(needed, packages)
    folder = made / "work"
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "app").mkdir()
    (folder / "app" / "__init__.py").write_text("")
    (folder / "app" / "settings.py").write_text("LEVERAGE = 3\n")
    return Bot(wheel, python.parent, folder)


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(  # noqa: S603  # our own interpreter
        [*PIP, *map(str, arguments)], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def dependencies(package: Distribution, known: set[str] | None = None) -> Iterator[Distribution]:
    """Yield the package's declared dependencies, and theirs in turn."""
    known = set() if known is None else known
    for requirement in map(Requirement, package.requires or []):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in known:
            known.add(requirement.name)
            needed = distribution(requirement.name)
            yield needed
            yield from dependencies(needed, known)


def link(package: Distribution, packages: Path) -> None:
    for top in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
        place = packages / top
        if not place.exists():
            place.symlink_to(Path(str(package.locate_file(top))))


def test_the_wheel_is_complete(bot: Bot) -> None:
    with ZipFile(bot.wheel) as archive:
        names = archive.namelist()
        licence = next(name for name in names if name.endswith("dist-info/licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert "botkeys/py.typed" in names
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"botkeys"}
    sources = (ROOT / "sdk" / "python" / "src").rglob("*.py")
    modules = {str(path.relative_to(ROOT / "sdk" / "python" / "src")) for path in sources}
    assert modules == {name for name in names if name.endswith(".py")}
    pip("--python", bot.python, "check")


def test_nothing_of_the_server_comes_along(bot: Bot) -> None:
    code = (
        "import importlib.util, importlib.metadata as metadata\n"
        f"names = {SERVER_ONLY!r}\n"
        "print(*[name for name in names if importlib.util.find_spec(name)])\n"
        "print(*[each.name for each in metadata.distributions() if each.name.lower() in names])"
    )
    assert bot.prints(code) == []
    assert "botkeys" in bot.prints(
        "import importlib.metadata as metadata\nprint(*[d.name for d in metadata.distributions()])"
    )


def test_a_bot_s_own_app_is_left_alone(bot: Bot) -> None:
    code = "from botkeys import BotClient\nimport app.settings\nprint(app.settings.LEVERAGE)"
    assert bot.prints(code) == ["3"]


def test_it_has_the_command_without_the_server_s_part(bot: Bot, run: Run) -> None:
    settings, command = environment(), bot.bin / "botkeys"
    for start in ([command], [bot.python, "-m", "botkeys"]):
        printed = output_of(*start, "--version", env=settings, cwd=bot.folder)
        assert printed == "botkeys 0.1.0\n"
    shown = output_of(command, "--help", env=settings, cwd=bot.folder)
    assert not [name for name in SERVER_COMMANDS if name in shown.split()]
    refused = run(command, "serve", "--role", "api", env=settings, cwd=bot.folder)
    assert refused.wait() == 2
    assert (
        refused.text == "botkeys: serve is part of botkeys-server, which is not installed here.\n"
    )


def test_the_first_bot_of_its_readme_gets_its_key(bot: Bot, service: Service) -> None:
    readme = (ROOT / "sdk" / "python" / "README.md").read_text("utf-8")
    program = readme.partition("```python\n")[2].partition("```")[0]
    assert ADDRESS in program
    with service.http(service.token("sdk")) as http:
        body = new_key()
        trader = new_trader(http, http, body)
    place = bot.folder / "first"
    place.mkdir()
    (place / "bot.token").write_text(trader.token + "\n")
    (place / "bot.py").write_text(program.replace(ADDRESS, service.address))
    printed = output_of(bot.python, "bot.py", env=environment(), cwd=place)
    assert printed == f"trading on okx with {body['api_key']}\n"


def test_the_example_trades_against_the_service(bot: Bot, run: Run, service: Service) -> None:
    with service.http(service.token("sdk example")) as http:
        trader = new_trader(http, http, new_key())
        sent(http.get(f"/v1/keys/{trader.key_id}/instruments?search=btc-usdt"), 200)
        asset = {"symbol": SYMBOL, "leverage": "10"}
        sent(http.post(f"/v1/keys/{trader.key_id}/assets", json=asset), 201)
        token = bot.folder / "token"
        token.touch(0o600)
        token.write_text(trader.token)
        process = run(
            bot.python,
            "-m",
            "examples.bot",
            "--url",
            service.address,
            "--token-file",
            token,
            "--key-id",
            trader.key_id,
            "--exchange",
            "okx",
            "--symbol",
            SYMBOL,
            "--tick",
            "0.25",
            "--window",
            "2",
            "--threshold",
            "0",
            "--heartbeat",
            "0.5",
            env=environment(),
            cwd=bot.folder,
        )
        assert process.says("opened "), process.text
        process.ctrl_c()
        assert process.wait() == 0, process.text
        assert process.is_clean
        assert "ended" in process.stdout
        [position] = sent(http.get("/v1/positions?environment=testnet"), 200)["items"]
        assert (position["symbol"], position["status"]) == (SYMBOL, "closed")
        held = sent(http.get(f"/v1/bots/{trader.bot_id}"), 200)
        assert held["last_heartbeat_at"] is not None
