"""Run as a script: own an embedded PostgreSQL until standard input ends.

    owner_process.py <folder> [<uid> <gid>]

It prints one line of JSON: {"pid", "url"} once ready, {"refused"} if it does not start.
"""

import json
import os
import sys
from pathlib import Path

from app.db.embedded import EmbeddedPostgres, EmbeddedPostgresError


def main() -> None:
    folder, *user = sys.argv[1:]
    if user:
        os.setgroups([])
        os.setgid(int(user[1]))
        os.setuid(int(user[0]))
    try:
        with EmbeddedPostgres(Path(folder)) as postgres:
            say({"pid": postgres.pid, "url": postgres.url()})
            sys.stdin.read()
    except EmbeddedPostgresError as error:
        say({"refused": type(error).__name__})


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
