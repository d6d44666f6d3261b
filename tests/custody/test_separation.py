"""What upholds the custody promise: who imports and does what, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
SDK = ROOT / "sdk" / "python" / "src" / "botkeys"
SOURCES = [*APP.rglob("*.py"), *SDK.rglob("*.py")]


def calls(path: Path) -> set[str]:
    """Return the names of all methods and functions that a file calls."""
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
    using = {path for path in SOURCES if "AESGCM" in path.read_text("utf-8")}
    # What else is encrypted is no credential: an issuer's ID token, under a key of the session's
    # cookie; a webhook's address; the answer with a webhook's secret, under its sender's own key.
    others = {
        APP / "auth" / "session_evidence.py",
        APP / "custody" / "webhook_keys.py",
        APP / "pipeline" / "idempotency.py",
    }
    assert using == {APP / "custody" / "sealing.py", SDK / "client" / "unsealing.py", *others}
    decrypting = {path for path in SOURCES if "decrypt" in calls(path)}
    # suites.py opens data keys with HPKE; the client opens the credentials they encrypt.
    assert decrypting == {
        SDK / "sealing" / "suites.py",
        SDK / "client" / "unsealing.py",
        APP / "custody" / "wrapping" / "kms.py",  # it asks AWS KMS for a master key's seed
        *others,
    }


def test_the_service_does_not_import_the_code_that_opens() -> None:
    importing = {path for path in SOURCES if "client.unsealing" in path.read_text("utf-8")}
    assert importing == {SDK / "client" / "keyring.py"}


def test_a_serving_process_loads_nothing_that_only_commands_and_options_need() -> None:
    """Each takes megabytes of every process."""
    loaded = loaded_by("import app.process.server")
    assert "app.db.schema_version" in loaded
    assert not loaded & {
        "alembic",
        "redis",
        "standardwebhooks",
        "boto3",
        "botocore",
        "app.simulator",
    }


def test_the_vault_loads_no_database_and_no_web_framework() -> None:
    loaded = loaded_by("import app.custody.keyring, app.custody.fingerprint")
    assert "app.custody.release" in loaded
    assert not loaded & {"sqlalchemy", "asyncpg", "fastapi", "starlette", "httpx", "pydantic"}


def test_a_bot_s_process_loads_neither_the_service_nor_the_keys_of_its_roles() -> None:
    loaded = loaded_by("import botkeys.client")
    assert "botkeys.client.unsealing" in loaded
    assert not loaded & {"sqlalchemy", "asyncpg", "fastapi", "starlette"}
    assert not {name for name in loaded if name.partition(".")[0] == "app"}
    sealing = {name for name in loaded if name.startswith("botkeys.sealing.")}
    assert sealing == {
        "botkeys.sealing.binding",
        "botkeys.sealing.boxes",
        "botkeys.sealing.errors",
        "botkeys.sealing.secret",
        "botkeys.sealing.suites",
    }
