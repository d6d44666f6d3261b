"""Runs commands of the server in one process, each with settings of its own.

Reads `[[arguments, variables], …]` as JSON, and prints how each ended: `[status, output]`. The
status is null for an error without a sentence, whose traceback is the output then, and 0 for a
command that goes on after some seconds, as one that serves does.
"""

import json
import multiprocessing
import os
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection

from typer.testing import CliRunner

from app import cli

_SECONDS = 8
_SLOW_TO_IMPORT = ("app.process.server", "app.process.worker", "app.process.development")


def _run(arguments: list[str], variables: dict[str, str], end: Connection) -> None:
    done = CliRunner().invoke(cli.app, arguments, env=variables)
    error = done.exception
    if error is None or isinstance(error, SystemExit):
        end.send((done.exit_code, done.output))
        return
    sentence = cli.explain(error) if isinstance(error, Exception) else None
    if sentence is None:
        end.send((None, "".join(traceback.format_exception(error))))
    else:
        end.send((1, sentence))


def ending(arguments: list[str], variables: dict[str, str]) -> tuple[int | None, str]:
    """Run a command in a process of its own, a copy of this one, and kill it if it goes on."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(arguments, variables, there))
    process.start()
    found: tuple[int | None, str] = (0, "It goes on.")
    if here.poll(_SECONDS):
        found = here.recv()
    process.kill()
    process.join()
    return found


def main() -> None:
    for module in _SLOW_TO_IMPORT:
        import_module(module)
    endings = [ending(*case) for case in json.load(sys.stdin)]
    print(json.dumps(endings), flush=True)  # noqa: T201  # what it is for
    os._exit(0)


if __name__ == "__main__":
    main()
