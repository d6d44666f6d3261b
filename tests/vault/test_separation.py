"""What holds the custody promise together: who imports and does what, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "app"


def calls(path: Path) -> set[str]:
    """Names of all methods and functions that a file calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            found.add(called.attr if isinstance(called, ast.Attribute) else ast.unparse(called))
    return found


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_only_the_client_decrypts_credentials() -> None:
    using = {path for path in APP.rglob("*.py") if "AESGCM" in path.read_text("utf-8")}
    assert using == {APP / "vault" / "sealing.py", APP / "client" / "opening.py"}
    decrypting = {path for path in APP.rglob("*.py") if "decrypt" in calls(path)}
    # HPKE opens data keys in suites.py; the client opens what they were for.
    assert decrypting == {APP / "vault" / "suites.py", APP / "client" / "opening.py"}


def test_the_service_does_not_import_the_code_that_opens() -> None:
    importing = {
        path.relative_to(APP).parts[0]
        for path in APP.rglob("*.py")
        if "client.opening" in path.read_text("utf-8")
    }
    assert importing == {"client"}


def test_the_vault_loads_no_database_and_no_web_framework() -> None:
    loaded = loaded_by("import app.custody.keyring, app.custody.fingerprint")
    assert "app.custody.release" in loaded
    assert not loaded & {"sqlalchemy", "asyncpg", "fastapi", "starlette", "httpx", "pydantic"}


def test_a_bot_s_process_loads_neither_the_service_nor_the_keys_of_its_roles() -> None:
    loaded = loaded_by("import botkeys.client")
    assert "botkeys.client.unsealing" in loaded
    assert not loaded & {"sqlalchemy", "asyncpg", "fastapi", "starlette"}
    vault = {name for name in loaded if name.startswith("app.vault.")}
    assert vault == {
        "botkeys.sealing.binding",
        "botkeys.sealing.boxes",
        "botkeys.sealing.errors",
        "botkeys.sealing.suites",
    }
