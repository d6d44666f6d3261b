"""What git keeps is what somebody wrote."""

import shutil
import subprocess

import pytest

from scripts.check_references import ROOT

git = shutil.which("git")


@pytest.mark.skipif(git is None or not (ROOT / ".git").exists(), reason="this is no clone")
def test_no_file_is_tracked_that_is_to_be_ignored() -> None:
    assert git is not None
    listing = [git, "ls-files", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(  # noqa: S603  # git, in this repository
        listing, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == []
