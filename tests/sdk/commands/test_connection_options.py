"""Which service a command talks to, and where its token comes from."""

import stat
from pathlib import Path

import pytest

from botkeys.commands.connection_options import read_token, service_address
from botkeys.commands.endings import Ending, UsageFault

TOKEN = "bkb_made-up"


def token_of(token_file: Path | None, variables: dict[str, str]) -> tuple[str, list[str]]:
    warnings: list[str] = []
    return read_token(token_file, warnings.append, variables).reveal(), warnings


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://keys.example/", "https://keys.example"),
        ("https://keys.example:8443/under", "https://keys.example:8443/under"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_that_a_token_may_be_sent_to(given: str, used: str) -> None:
    assert service_address(given) == used


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "keys.example",
        "ftp://keys.example",
        "http://keys.example",
        "http://10.0.0.1:8000",
        "https://me:secret@keys.example",
        "https://keys.example?a=b",
        "https://keys.example:port",
        "https://[",
    ],
)
def test_an_address_that_no_token_is_sent_to(given: str | None) -> None:
    with pytest.raises(UsageFault) as caught:
        service_address(given)
    assert caught.value.ending is Ending.USAGE
    assert "secret" not in str(caught.value)


def test_a_file_comes_before_the_variable(tmp_path: Path) -> None:
    path = written(tmp_path, f"{TOKEN}\n".encode())
    assert token_of(path, {"BOTKEYS_TOKEN": "other"}) == (TOKEN, [])
    assert token_of(None, {"BOTKEYS_TOKEN": f" {TOKEN}\n"}) == (TOKEN, [])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_may_read_is_warned_about(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, TOKEN.encode(), mode)
    token, warnings = token_of(path, {})
    assert token == TOKEN
    assert warnings == [f"Other users may read {path}: run `chmod 600 {path}`."]
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"one two", "holds more than a token"),
        (b"one\ntwo", "holds more than a token"),
        (b"\xff\xfe", "is not text"),
        (b"x" * 65_537, "is too long for a token"),
        ("tökén".encode(), "holds more than a token"),
    ],
)
def test_a_file_without_a_token_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    with pytest.raises(UsageFault) as caught:
        token_of(written(tmp_path, content), {})
    assert fault in str(caught.value)
    assert caught.value.__context__ is None


def test_without_a_token_the_sentence_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"BOTKEYS_TOKEN is not set.*--token-file"):
        token_of(None, {})
    with pytest.raises(UsageFault, match="cannot be read: No such file"):
        token_of(tmp_path / "nowhere", {})
