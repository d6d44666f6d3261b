"""What the SDK's README shows must exist."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import botkeys.client
from botkeys.client import BotClient, BotClientError

README = (Path(__file__).parents[2] / "sdk" / "python" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PUBLIC = {name: getattr(botkeys.client, name) for name in botkeys.client.__all__}


def parsed(block: str) -> ast.AST:
    tree = compile(
        block.replace("0195b1c0-…", "0195b1c0-0000-7000-8000-0000000000aa"),
        "README.md",
        "exec",
        ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    assert isinstance(tree, ast.AST)
    return tree


@pytest.mark.parametrize("block", BLOCKS)
def test_its_code_calls_what_there_is_with_arguments_that_it_takes(block: str) -> None:
    for node in ast.walk(parsed(block)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "bot":
            assert hasattr(BotClient, node.attr)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        method = getattr(BotClient, name.removeprefix("bot."), None)
        if name.startswith("bot.") or name in PUBLIC:
            called, itself = (method, (None,)) if name.startswith("bot.") else (PUBLIC[name], ())
            assert called is not None
            given = dict.fromkeys(word.arg for word in node.keywords if word.arg is not None)
            inspect.signature(called).bind(*itself, *node.args, **given)


def test_its_table_has_every_error() -> None:
    table = README.partition("## Errors")[2].partition("## Logging")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", table)) - {ValueError.__name__}  # the constructor's
    errors = {
        name
        for name, value in PUBLIC.items()
        if inspect.isclass(value) and issubclass(value, BotClientError)
    }
    assert named == errors


def test_its_contents_lead_to_its_sections() -> None:
    links = re.findall(r"\]\(#([\w-]+)\)", README)
    sections = [
        title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", README, re.MULTILINE)
    ]
    assert links == sections
