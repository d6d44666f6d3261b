"""The commands that README.md gives a newcomer, executed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.processes.running import PATIENCE, ROOT, Service

SECTION = "## From zero to a bot with its key"
ADDRESS = "http://127.0.0.1:8000"
ACCOUNT = "--account alice"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Return language and text of each block of the section."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(SECTION)[1].split("\n## ")[0]
    return BLOCK.findall(section)


def test_a_newcomer_gets_from_zero_to_a_bot_with_its_key(service: Service, tmp_path: Path) -> None:
    (shell, by_user), (python, bot), (also_shell, install) = blocks()
    assert (shell, python, also_shell) == ("sh", "python", "sh")
    assert "pip install ./sdk/python" in install  # covered by the tests of the wheel
    assert "python first_bot.py" in install
    assert by_user.count(ACCOUNT) == 1
    by_user = by_user.replace(ACCOUNT, "--account newcomer")  # alice is others' in this service
    place = tmp_path / "place"
    (place / ".venv").mkdir(parents=True)
    (place / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (place / "first_bot.py").write_text(bot.replace(ADDRESS, service.address), encoding="utf-8")
    script = f"set -eu -o pipefail\n{by_user.replace(ADDRESS, service.address)}"
    for command in ([bash(), "-c", script], [sys.executable, "first_bot.py"]):
        done = subprocess.run(  # noqa: S603  # what README.md says
            command,
            cwd=place,
            env=service.settings,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"trading on okx with [0-9a-f-]{36}\n", done.stdout)
    assert (place / "bot.token").stat().st_mode & 0o777 == 0o600


def bash() -> str:
    found = shutil.which("bash")
    assert found is not None
    return found
