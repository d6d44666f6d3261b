"""Help is quick: it imports what declares the commands, and nothing that does their work."""

import subprocess
import sys

HELP = """
import sys
import typer
from botkeys.cli import own_commands
typer.main.get_group(own_commands())
print(*(each for each in ("cryptography", "httpx", "pydantic", "rich")
        if each in sys.modules))
"""


def test_declaring_the_commands_imports_nothing_slow() -> None:
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own text
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


COMPLETED = """
import os, sys
from botkeys.cli import own_commands
own_commands()(prog_name="botkeys")
"""


def test_the_shell_completes_exchanges() -> None:
    done = subprocess.run(  # noqa: S603  # as above
        [sys.executable, "-c", COMPLETED],
        env={
            "_BOTKEYS_COMPLETE": "complete_bash",
            "COMP_WORDS": "botkeys check binanceu",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["binanceusdm"]
