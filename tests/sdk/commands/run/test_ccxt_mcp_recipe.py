"""The recipe for CCXT's MCP server: its template and arguments, with a program in its place.

The server itself is on no package index that every machine reaches.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.sdk.commands.run.conftest import SECRETS, Starter

RECIPE = Path(__file__).parents[4] / "docs/recipes/ccxt-mcp-server.md"
UNDERSTOOD = {
    *("exchange", "apiKey", "secret", "password", "sandbox", "demo", "trading"),
    *("maxOrderValue", "allowedSymbols", "confirm"),
}
"""Members of an account that the recipe uses, as the server's README names them."""
OF_THE_SERVICE = {"--url", "--token-file"}


def documents() -> tuple[str, dict[str, Any]]:
    """Return the recipe's template and the assistant's settings."""
    text = RECIPE.read_text("utf-8")
    template, settings = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return template, json.loads(settings)


def test_the_server_finds_an_account_with_the_credentials_in_memory(
    start: Starter, memory: Path, tmp_path: Path
) -> None:
    template, settings = documents()
    (tmp_path / "ccxt-mcp.json.template").write_text(template, "utf-8")
    server = settings["mcpServers"]["ccxt"]
    assert (server["command"], server["args"][0]) == ("botkeys", "run")
    end = server["args"].index("--")
    assert server["args"][end + 1 :] == ["npx", "-y", "ccxt-mcp"]
    pairs = zip(server["args"][1:end:2], server["args"][2:end:2], strict=True)
    options = [
        f"{name} {value.replace('/home/me', str(tmp_path))}"
        for name, value in pairs
        if name not in OF_THE_SERVICE
    ]
    program = 'cat "$CCXT_MCP_CONFIG"; stat -c %a "$CCXT_MCP_CONFIG"'
    run = start(" ".join(options), "sh", "-c", program)
    assert run.ends() == 0, run.messages
    printed, mode = run.printed.rsplit("}", 1)
    read = json.loads(printed + "}")
    account = read["accounts"]["bot"]
    assert account.keys() <= UNDERSTOOD
    assert account["exchange"] == "okx"
    assert (account["apiKey"], account["secret"], account["password"]) == SECRETS
    assert mode.strip() == "600"
    assert not any(secret in run.messages for secret in SECRETS)
    assert list(memory.iterdir()) == []
