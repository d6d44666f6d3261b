"""`make` alone lists the targets."""

import os
import re
import shutil
import subprocess

from scripts.check_references import ROOT


def test_help_lists_every_target_with_a_sentence() -> None:
    make = shutil.which("make")
    assert make is not None
    # Without the variables of a make that runs the tests.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(  # noqa: S603  # our own Makefile
        [make], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    listed = dict(re.findall(r"^make ([\w-]+) +(\S.*)$", done.stdout, re.MULTILINE))
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    assert sorted(listed) == sorted(targets[1].split())
