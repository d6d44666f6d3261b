"""The server lives exactly as long as the process that owns it, however that one ends."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.db.embedded import EmbeddedPostgres

Own = Callable[..., Any]
Ended = Callable[..., bool]


def test_a_killed_owner_takes_the_server_along(own: Own, made: Path, ended: Ended) -> None:
    owner = own(made)
    owner.answer()
    everyone = [owner.server, *owner.server.children(recursive=True)]
    owner.kill()
    assert len(everyone) > 3
    assert ended(everyone)
    assert own(made).answer().keys() == {"pid", "url"}


def test_a_start_right_after_the_kill_waits_for_the_dying_server(own: Own, made: Path) -> None:
    for _ in range(3):
        owner = own(made)
        assert owner.answer().keys() == {"pid", "url"}
        owner.kill()


def test_a_server_left_behind_is_ended_and_replaced(own: Own, made: Path, ended: Ended) -> None:
    owner = own(made)
    owner.answer()
    left = owner.server
    # A suspended process does not notice that its owner is gone.
    left.suspend()
    owner.kill()
    assert left.is_running()
    successor = own(made)
    answer = successor.answer()
    assert answer["pid"] != left.pid
    assert ended([left], 0)


def test_an_owner_that_just_ends_takes_the_server_along(own: Own, made: Path, ended: Ended) -> None:
    owner = own(made)
    owner.answer()
    owner.process.send_signal(signal.SIGTERM)  # no handler: it ends silently
    owner.process.wait(60)
    assert ended([owner.server])


def test_the_terminal_s_ctrl_c_does_not_reach_the_server(own: Own, made: Path) -> None:
    owner = own(made)
    owner.answer()
    assert os.getsid(owner.server.pid) == owner.server.pid
    assert os.getsid(owner.server.pid) != os.getsid(owner.process.pid)


def test_the_server_inherits_no_lock_and_no_secret(
    own: Own, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_PLANTED", "planted-secret")
    owner = own(made)
    owner.answer()
    process = psutil.Process(owner.process.pid)
    lock = str(made.with_name("postgres.lock"))
    assert "BOTKEYS_PLANTED" in process.environ()
    assert lock in {file.path for file in process.open_files()}
    try:
        environment, files = owner.server.environ(), owner.server.open_files()
    except psutil.AccessDenied:
        pytest.skip("this system hides the server's environment from root")
    assert "BOTKEYS_PLANTED" not in environment
    assert lock not in {file.path for file in files}


@pytest.mark.parametrize(
    "stage",
    [
        "PG_VERSION",
        "base/5",
        pytest.param("pg_wal", marks=pytest.mark.torture),
        pytest.param("base/1", marks=pytest.mark.torture),
        pytest.param("global/pg_control", marks=pytest.mark.torture),
        pytest.param("base/1[0-9]*", marks=pytest.mark.torture),
    ],
)
def test_a_creation_killed_half_way_is_done_again(own: Own, folder: Path, stage: str) -> None:
    aside = folder.with_name("postgres.new")
    owner = own(folder)
    deadline = time.monotonic() + 60
    while not any(aside.glob(stage)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    owner.kill()
    assert not folder.exists()
    assert own(folder).answer().keys() == {"pid", "url"}
    assert not aside.exists()


def test_of_two_starts_at_once_one_wins(own: Own, folder: Path) -> None:
    first, second = own(folder), own(folder)
    answers = [first.answer(), second.answer()]
    assert sorted(len(answer) for answer in answers) == [1, 2]
    assert {"refused": "ClusterInUse"} in answers


def test_a_finished_cluster_is_never_made_again(made: Path) -> None:
    identity = made.stat().st_ino
    control = (made / "global" / "pg_control").read_bytes()[:8]
    made.with_name("postgres.new").mkdir(mode=0o700)
    with EmbeddedPostgres(made, settings={"fsync": "off"}):
        assert made.stat().st_ino == identity
        # The first eight bytes are the system identifier that initdb generates.
        assert (made / "global" / "pg_control").read_bytes()[:8] == control
