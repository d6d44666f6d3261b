import base64
import copy
import errno
import os
import pickle
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.custody import files
from app.custody.errors import (
    KeyFileError,
    KeyFileExposed,
    KeyFileGarbled,
    KeyFileMissing,
    KeyFileUnusable,
    KeyPairMismatch,
)
from app.custody.keyfiles import KeyFolder, KeyKind, Role
from botkeys.sealing.boxes import SecretBytes

SECRETS = [KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC, KeyKind.WEBHOOK]
ALL = [KeyKind.MASTER, *SECRETS]
BASE64URL = (string.ascii_letters + string.digits + "-_").encode()
FILES = [
    "master-0001.private",
    "master-0001.public",
    "token-hmac",
    "fingerprint-hmac",
    "audit-hmac",
    "webhook-key",
]
every_file = pytest.mark.parametrize("name", FILES)


@pytest.fixture
def filled(folder: KeyFolder) -> KeyFolder:
    folder.create_missing(ALL)
    return folder


def load_everything(folder: KeyFolder) -> None:
    folder.load_public_master_keys()
    folder.load_private_master_keys()
    for kind in SECRETS:
        folder.read_secret(kind)


def contents(folder: KeyFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_what_is_missing_is_made_once_and_kept(filled: KeyFolder) -> None:
    before = contents(filled)
    assert sorted(before) == sorted(FILES)
    filled.create_missing(ALL)
    assert contents(filled) == before
    load_everything(filled)


def test_files_are_for_the_owner_alone_whatever_the_umask(folder: KeyFolder) -> None:
    before = os.umask(0o277)
    try:
        folder.create_missing(ALL)
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}


def test_a_file_says_what_it_is_in_its_first_line(filled: KeyFolder) -> None:
    first_lines = {name: text.split(b"\n")[0] for name, text in contents(filled).items()}
    assert first_lines == {
        "master-0001.private": b"botkeys master-private 1",
        "master-0001.public": b"botkeys master-public 1",
        "token-hmac": b"botkeys token-hmac 1",
        "fingerprint-hmac": b"botkeys fingerprint-hmac 1",
        "audit-hmac": b"botkeys audit-hmac 1",
        "webhook-key": b"botkeys webhook-key 1",
    }


def test_the_halves_of_a_pair_have_one_fingerprint_and_work_together(filled: KeyFolder) -> None:
    public, private = filled.load_public_master_keys()[1], filled.load_private_master_keys()[1]
    assert public.fingerprint == private.fingerprint
    assert len(public.fingerprint) == 16
    assert private.open(public.seal(b"plaintext", b"info"), b"info") == b"plaintext"


def test_a_new_master_key_gets_the_next_version_and_becomes_the_newest(filled: KeyFolder) -> None:
    assert filled.create_master_key() == 2
    assert sorted(filled.load_public_master_keys()) == [1, 2]
    assert sorted(filled.load_private_master_keys()) == [1, 2]


def test_a_version_is_not_used_again_where_only_the_public_half_is(filled: KeyFolder) -> None:
    (filled.path / "master-0001.private").unlink()
    assert filled.create_master_key() == 2


def test_a_public_half_lost_between_two_steps_is_made_again(filled: KeyFolder) -> None:
    before = contents(filled)
    (filled.path / "master-0001.public").unlink()
    filled.create_missing([KeyKind.MASTER])
    assert contents(filled) == before


def test_a_lost_private_half_is_not_quietly_replaced_by_a_new_pair(filled: KeyFolder) -> None:
    (filled.path / "master-0001.private").unlink()
    with pytest.raises(KeyFileMissing, match=r"master-0001\.private"):
        filled.create_missing([KeyKind.MASTER])


def test_halves_of_two_pairs_are_distinguished(filled: KeyFolder, tmp_path: Path) -> None:
    other = KeyFolder(tmp_path / "other")
    other.create_missing([KeyKind.MASTER])
    foreign = (other.path / "master-0001.public").read_bytes()
    (filled.path / "master-0001.public").write_bytes(foreign)
    for load in (filled.load_public_master_keys, filled.load_private_master_keys):
        with pytest.raises(KeyPairMismatch, match=r"master-0001\.public"):
            load()


def test_a_file_renamed_to_another_version_is_refused(filled: KeyFolder) -> None:
    for half in ("private", "public"):
        (filled.path / f"master-0001.{half}").rename(filled.path / f"master-0002.{half}")
    with pytest.raises(KeyFileGarbled, match="version"):
        filled.load_private_master_keys()


@every_file
def test_a_secret_that_others_can_read_is_refused_with_the_command_that_fixes_it(
    name: str, filled: KeyFolder
) -> None:
    path = filled.path / name
    path.chmod(0o622 if name.endswith("public") else 0o640)
    with pytest.raises(KeyFileExposed, match=f"chmod 6.. '{path}'") as caught:
        load_everything(filled)
    assert caught.value.path == path


def test_a_public_key_may_be_readable(filled: KeyFolder) -> None:
    (filled.path / "master-0001.public").chmod(0o644)
    load_everything(filled)


@pytest.mark.parametrize("mode", [0o750, 0o701])
def test_a_folder_that_others_can_reach_is_refused(mode: int, filled: KeyFolder) -> None:
    filled.path.chmod(mode)
    command = f"chmod 700 '{filled.path}'"
    with pytest.raises(KeyFileExposed, match=command):
        load_everything(filled)
    with pytest.raises(KeyFileExposed, match=command):
        filled.create_missing(ALL)


def test_a_missing_folder_file_or_key_is_named(folder: KeyFolder) -> None:
    with pytest.raises(KeyFileMissing, match="folder"):
        folder.load_public_master_keys()
    folder.create_missing([])
    assert folder.load_public_master_keys() == {}
    with pytest.raises(KeyFileMissing, match="audit-hmac"):
        folder.read_secret(KeyKind.AUDIT_HMAC)


def test_a_named_pipe_or_a_folder_in_the_place_of_a_file_does_not_hang(filled: KeyFolder) -> None:
    (filled.path / "audit-hmac").unlink()
    os.mkfifo(filled.path / "audit-hmac", 0o600)
    with pytest.raises(KeyFileUnusable, match="regular"):
        filled.read_secret(KeyKind.AUDIT_HMAC)
    with pytest.raises(KeyFileUnusable, match="not a folder"):
        KeyFolder(filled.path / "token-hmac").load_public_master_keys()


@every_file
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_truncated_or_altered_file_is_refused_and_left_as_it_is(
    name: str, filled: KeyFolder, data: st.DataObject
) -> None:
    path = filled.path / name
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:position]
    else:
        other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[position]))
        damaged = whole[:position] + bytes([other]) + whole[position + 1 :]
    path.write_bytes(damaged)
    try:
        with pytest.raises((KeyFileGarbled, KeyPairMismatch)) as caught:
            load_everything(filled)
        assert caught.value.path == path
        with pytest.raises((KeyFileGarbled, KeyPairMismatch)):
            filled.create_missing(ALL)
        assert path.read_bytes() == damaged
    finally:
        path.write_bytes(whole)


@every_file
@pytest.mark.parametrize("place", [-2, -3])
@pytest.mark.parametrize(
    "tried",
    [BASE64URL + b"+/=\n\0 ", pytest.param(bytes(range(256)), marks=pytest.mark.torture)],
    ids=["the alphabet's", "all"],
)
def test_no_other_character_passes_at_the_end_of_a_file(
    name: str, place: int, tried: bytes, filled: KeyFolder
) -> None:
    """The last characters of base64url have bits that belong to no byte."""
    path = filled.path / name
    whole = path.read_bytes()
    for other in set(tried) - {whole[place]}:
        damaged = bytearray(whole)
        damaged[place] = other
        path.write_bytes(damaged)
        with pytest.raises((KeyFileGarbled, KeyPairMismatch)):
            load_everything(filled)


def test_an_endless_file_is_refused_without_being_read_whole(filled: KeyFolder) -> None:
    (filled.path / "audit-hmac").write_bytes(b"x" * (64 * 1024 + 1))
    with pytest.raises(KeyFileGarbled, match="larger"):
        filled.read_secret(KeyKind.AUDIT_HMAC)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("public")])
@pytest.mark.parametrize("damage", ["cut off", "garbled", "extended", "headless"])
def test_no_failure_of_a_damaged_file_shows_it_even_with_local_variables(
    name: str, damage: str, filled: KeyFolder, with_locals: Callable[[BaseException], str]
) -> None:
    path = filled.path / name
    whole = path.read_bytes()
    body = whole.split(b"\n")[-2].decode()
    path.write_bytes(
        {
            "cut off": whole[:-9],
            "garbled": whole.replace(b"check ", b"check 0"),
            "extended": whole + b"more\n",
            "headless": whole[8:],
        }[damage]
    )
    with pytest.raises(KeyFileError) as caught:
        load_everything(filled)
    shown = with_locals(caught.value)
    assert "SecretBytes(…)" in shown
    assert body[:12] not in shown
    assert repr(base64.urlsafe_b64decode(body + "="))[2:14] not in shown


STARTER = """
import sys
from pathlib import Path
from app.custody.keyfiles import KeyFolder, KeyKind
folder = KeyFolder(Path(sys.argv[1]))
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    folder.create_missing([KeyKind(word) for word in sys.argv[3:]])
public, token = folder.load_public_master_keys()[1], folder.read_secret(KeyKind.TOKEN_HMAC)
print(public.fingerprint, token.reveal().hex())
"""


def test_processes_that_start_at_once_end_with_the_same_keys(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "deep" / "keys"), "1", *(kind.value for kind in ALL)]
    racers = [
        subprocess.Popen(  # noqa: S603  # our own interpreter and our own text
            [sys.executable, "-c", STARTER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    answers = {racer.communicate("go\n")[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert len(answers) == 1
    assert sorted(path.name for path in (tmp_path / "deep" / "keys").iterdir()) == sorted(FILES)


def test_losing_the_race_for_a_name_keeps_what_the_winner_wrote(tmp_path: Path) -> None:
    assert files.publish(tmp_path / "name", SecretBytes(b"first"))
    assert not files.publish(tmp_path / "name", SecretBytes(b"second"))
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_bytes() == b"first"


def test_a_full_disk_leaves_nothing_behind_and_says_so(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.create_missing([])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileUnusable, match="No space left"):
        folder.create_missing([KeyKind.MASTER])
    assert list(folder.path.iterdir()) == []


def test_a_draft_left_by_a_killed_process_is_removed_once_published(filled: KeyFolder) -> None:
    draft = filled.path / ".master-0001.private.0123456789abcdef.draft"
    os.link(filled.path / "master-0001.private", draft)
    filled.create_missing(ALL)
    assert not draft.exists()
    load_everything(filled)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (
            "api",
            [
                ".token-hmac.0.draft (not a key file, the key of bot tokens)",
                "master-0001.private (a private master key)",
                "token-hmac (the key of bot tokens)",
            ],
        ),
        (
            "runtime",
            [
                ".token-hmac.0.draft (not a key file)",
                "fingerprint-hmac (the key that finds duplicates)",
                "webhook-key (the key of webhooks)",
            ],
        ),
        (
            "webhooks",
            [
                ".token-hmac.0.draft (not a key file, the key of bot tokens)",
                "audit-hmac (the key of the audit log)",
                "fingerprint-hmac (the key that finds duplicates)",
                "master-0001.private (a private master key)",
                "token-hmac (the key of bot tokens)",
            ],
        ),
        ("all", []),
    ],
)
def test_a_role_learns_which_files_it_must_not_hold(
    role: Role, expected: list[str], filled: KeyFolder
) -> None:
    (filled.path / ".token-hmac.0.draft").touch()
    assert filled.role_violations(role) == expected


PEM = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----\n"
JWK = b'{"d": "abc", "kty": "EC", "crv": "P-256"}'


@pytest.mark.parametrize(
    ("role", "source", "name", "what"),
    [
        ("api", "master-0001.private", "master-0002.public", "a private master key"),
        ("api", "token-hmac", "audit-hmac.old", "the key of bot tokens"),
        ("runtime", "fingerprint-hmac", "notes.txt", "the key that finds duplicates"),
        ("runtime", "webhook-key", "notes.txt", "the key of webhooks"),
        ("webhooks", "audit-hmac", "webhook-key.old", "the key of the audit log"),
        ("webhooks", PEM, "tls.key", "a private key of another kind"),
        ("api", PEM, "master-0003.public", "a private key of another kind"),
        ("runtime", b"# host key\n" + PEM, "README", "a private key of another kind"),
        ("all", PEM, "README", "a private key of another kind"),
        ("all", JWK, "jwk.json", "a private key of another kind"),
        ("api", b"anything", "README", "not a key file"),
        ("runtime", b"", ".gitkeep", "not a key file"),
        ("api", bytes(70_000), "large", "not a key file"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_files_are_judged_by_content_and_not_by_name(
    role: Role,
    source: str | bytes,
    name: str,
    what: str,
    folder: KeyFolder,
    tmp_path: Path,
    *,
    linked: bool,
) -> None:
    """A link is judged by what it leads to."""
    operator = KeyFolder(tmp_path / "operator")
    operator.create_missing(ALL)
    folder.create_missing([])
    content = source if isinstance(source, bytes) else (operator.path / source).read_bytes()
    target = tmp_path / "target" if linked else folder.path / name
    target.write_bytes(content)
    target.chmod(0o600)
    if linked:
        (folder.path / name).symlink_to(target)
    assert folder.role_violations(role) == [f"{name} ({what})"]
    if role == "all":
        assert folder.role_violations(role, development=True) == []


@pytest.mark.parametrize("role", ["api", "runtime", "webhooks", "all"])
def test_a_folder_in_the_folder_of_keys_is_refused(role: Role, folder: KeyFolder) -> None:
    folder.create_missing([])
    (folder.path / "old").mkdir()
    with pytest.raises(KeyFileUnusable, match="old: is a folder"):
        folder.role_violations(role)
    (folder.path / "old").rmdir()
    (folder.path / "new").symlink_to("/")
    with pytest.raises(KeyFileUnusable, match="new: is a folder"):
        folder.role_violations(role)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@every_file
def test_a_file_of_another_user_is_refused_by_root_too(name: str, filled: KeyFolder) -> None:
    os.chown(filled.path / name, 12345, -1)
    with pytest.raises(KeyFileExposed, match="chown 0 "):
        load_everything(filled)
    with pytest.raises(KeyFileExposed, match="belongs to another user"):
        filled.role_violations("all")
    os.chown(filled.path / name, 0, -1)
    os.chown(filled.path, 12345, -1)
    with pytest.raises(KeyFileExposed, match="chown 0 "):
        load_everything(filled)


def test_an_api_folder_without_private_halves_is_whole(filled: KeyFolder) -> None:
    (filled.path / "master-0001.private").unlink()
    (filled.path / "token-hmac").unlink()
    assert filled.role_violations("api") == []
    assert sorted(filled.load_public_master_keys()) == [1]
    assert filled.load_private_master_keys() == {}


def test_a_file_of_another_format_is_kept_by_the_same_rules(folder: KeyFolder) -> None:
    kind = KeyKind.DEVELOPMENT_ISSUER
    assert folder.create_opaque(kind, b"{}").reveal() == b"{}"
    assert folder.create_opaque(kind, b"second").reveal() == b"{}"
    assert (folder.path / kind).stat().st_mode & 0o777 == 0o600
    (folder.path / kind).chmod(0o644)
    with pytest.raises(KeyFileExposed):
        folder.read_opaque(kind)
    with pytest.raises(ValueError, match="create_opaque"):
        folder.create_missing([kind])
    with pytest.raises(ValueError, match="not a secret"):
        folder.read_secret(kind)


def test_a_secret_read_from_a_file_does_not_talk_and_can_be_wiped(filled: KeyFolder) -> None:
    secret = filled.read_secret(KeyKind.TOKEN_HMAC)
    assert repr(secret) == str(secret) == f"{secret}" == "SecretBytes(…)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled or copied"):
            attempt(secret)
    with pytest.raises(TypeError, match="compared"):
        _ = secret == b"guess"
    with secret:
        assert any(secret.reveal())
    assert secret.reveal() == bytes(32)
