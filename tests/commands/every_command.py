"""Runs commands of the server in one process, each with settings of its own.

Reads `[[arguments, variables], …]` as JSON, and prints how each ended: `[status, output]`. The
status is null for an error without a sentence, whose traceback is the output then, and 0 for a
command that goes on after some seconds, as one that serves does.
"""

import json
import os
import signal
import sys
import traceback

from typer.testing import CliRunner

from app import cli

_SECONDS = 20


class _GoesOn(BaseException):
    pass


def _give_up(*_: object) -> None:
    raise _GoesOn


def ending(arguments: list[str], variables: dict[str, str]) -> tuple[int | None, str]:
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_SECONDS)
    try:
        done = CliRunner().invoke(cli.app, arguments, env=variables)
        error = done.exception
    except _GoesOn as late:
        return 0, repr(late)
    finally:
        signal.alarm(0)
    if isinstance(error, _GoesOn):
        return 0, repr(error)
    if error is None or isinstance(error, SystemExit):
        return done.exit_code, done.output
    sentence = cli.explain(error) if isinstance(error, Exception) else None
    if sentence is None:
        return None, "".join(traceback.format_exception(error))
    return 1, sentence


def main() -> None:
    endings = [ending(*case) for case in json.load(sys.stdin)]
    print(json.dumps(endings), flush=True)  # noqa: T201  # what it is for
    os._exit(0)  # whatever a command has left behind


if __name__ == "__main__":
    main()
