"""The data folder: who may read it, and which process runs on it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.process.data_folder import AlreadyRunning, DataFolder, FolderUnusable, InsecureFolder

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from app.process.data_folder import AlreadyRunning, DataFolder

data = DataFolder(Path(sys.argv[1]))
data.prepare()
try:
    with data.lock(int(sys.argv[2])):
        print("held", flush=True)
        sys.stdin.read()
except AlreadyRunning as running:
    print(running.port, running.pid, flush=True)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "deep" / "data")


def hold(data: DataFolder, port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", HOLDER, str(data.path), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_preparing_makes_private_folders(data: DataFolder) -> None:
    before = os.umask(0)
    try:
        data.prepare()
    finally:
        os.umask(before)
    assert mode(data.path) == 0o700
    assert mode(data.keys) == 0o700
    assert data.keys == data.path / "keys"
    assert data.postgres == data.path / "postgres"
    data.prepare()


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataFolder(Path(".botkeys"))
    monkeypatch.chdir("/")
    assert data.path == tmp_path / ".botkeys"


@pytest.mark.parametrize("wrong", [0o750, 0o701, 0o777])
def test_an_open_keys_folder_is_refused_with_the_command_that_closes_it(
    data: DataFolder, wrong: int
) -> None:
    data.prepare()
    data.keys.chmod(wrong)
    with pytest.raises(InsecureFolder) as caught:
        data.prepare()
    assert caught.value.path == data.keys
    assert caught.value.remedy == f"chmod 700 {data.keys}"
    assert caught.value.remedy in str(caught.value)
    subprocess.run(caught.value.remedy, shell=True, check=True)  # noqa: S602  # as a person would
    data.prepare()


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o666, 0o700])
def test_an_open_key_file_is_refused_by_name(data: DataFolder, wrong: int) -> None:
    data.prepare()
    for name in ("a.key", "it's mine.key", "z.key"):
        (data.keys / name).write_text("secret")
        (data.keys / name).chmod(0o600)
    data.prepare()
    (data.keys / "it's mine.key").chmod(wrong)
    with pytest.raises(InsecureFolder, match=r"it's mine\.key") as caught:
        data.prepare()
    assert "secret" not in str(caught.value)
    subprocess.run(caught.value.remedy, shell=True, check=True)  # noqa: S602  # as a person would
    data.prepare()


def test_a_data_folder_in_which_others_can_write_is_refused(data: DataFolder) -> None:
    data.path.mkdir(parents=True)
    data.path.chmod(0o777)
    with pytest.raises(InsecureFolder, match="chmod go-w"):
        data.prepare()
    data.path.chmod(0o755)
    data.prepare()


def test_links_are_not_taken_for_keys(data: DataFolder, tmp_path: Path) -> None:
    data.prepare()
    (tmp_path / "elsewhere").write_text("secret")
    (tmp_path / "elsewhere").chmod(0o600)
    (data.keys / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InsecureFolder, match="not a regular file"):
        data.prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_file_of_another_user_is_refused(data: DataFolder) -> None:
    data.prepare()
    (data.keys / "a.key").write_text("secret")
    (data.keys / "a.key").chmod(0o600)
    os.chown(data.keys / "a.key", 65533, 65533)
    with pytest.raises(InsecureFolder, match="another user"):
        data.prepare()


def test_a_path_that_cannot_be_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(FolderUnusable, match=str(path)):
            DataFolder(path).prepare()


def test_the_second_learns_who_is_running_and_where(data: DataFolder) -> None:
    data.prepare()
    with data.lock(8123), hold(data, 9999) as second:
        assert line(second) == f"8123 {os.getpid()}"
    with hold(data, 9999) as third:
        assert line(third) == "held"
        with (
            pytest.raises(AlreadyRunning, match="already running on port 9999") as caught,
            data.lock(1),
        ):
            pass
        assert (caught.value.port, caught.value.pid) == (9999, third.pid)
        third.communicate()


def test_the_lock_goes_with_a_killed_process(data: DataFolder) -> None:
    with hold(data, 8123) as killed:
        assert line(killed) == "held"
        killed.kill()
        killed.wait(10)
    with data.lock(8124), hold(data, 1) as second:
        assert line(second).startswith("8124 ")


def test_a_child_does_not_keep_the_lock(data: DataFolder) -> None:
    data.prepare()
    with data.lock(8123):
        child = subprocess.Popen(["sleep", "600"], close_fds=False)  # noqa: S607  # from PATH
    try:
        with data.lock(8124):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait(10)


def test_the_lock_file_is_private(data: DataFolder) -> None:
    data.prepare()
    with data.lock(8123):
        assert {mode(path) for path in data.path.iterdir() if path.is_file()} == {0o600}
