import json
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from app.auth.development_issuer import KEY_FILE, DevelopmentIssuer, UnusableIssuerKey
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.scopes import USER_SCOPES, Scope, UnknownScopes
from app.auth.verifier import TokenVerifier
from tests.auth.conftest import NOW, Clock, ec_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


def verifier_of(issuer: DevelopmentIssuer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(
        issuer.issuer, issuer.audience, issuer.algorithms, issuer.keys, clock=clock
    )


async def test_a_development_token_carries_every_user_scope_and_not_act_as(
    folder: Path, clock: Clock
) -> None:
    issuer = DevelopmentIssuer(folder)
    verifier = verifier_of(issuer, clock)
    found = verifier.principal(await verifier.verify(issuer.token("alice", now=NOW)), None)
    assert found.scopes == USER_SCOPES == set(Scope) - {Scope.ACT_AS}
    assert (found.issuer, found.subject, found.actor) == ("botkeys-development", "alice", "user")
    assert found.token_id


async def test_a_development_token_lasts_twelve_hours(folder: Path, clock: Clock) -> None:
    issuer = DevelopmentIssuer(folder)
    token = issuer.token("alice", now=NOW)
    clock.advance(12 * 3600)
    assert await verifier_of(issuer, clock).verify(token)
    clock.advance(30)
    with pytest.raises(Unauthenticated) as refusal:
        await verifier_of(issuer, clock).verify(token)
    assert refusal.value.fault is TokenFault.EXPIRED


async def test_scopes_and_lifetime_can_be_chosen(folder: Path, clock: Clock) -> None:
    issuer = DevelopmentIssuer(folder)
    token = issuer.token("billing", "keys:read  act_as", timedelta(minutes=1), NOW)
    claims = await verifier_of(issuer, clock).verify(token)
    assert claims.scopes == {Scope.KEYS_READ, Scope.ACT_AS}
    assert claims.expires_at == NOW + 60
    bare = await verifier_of(issuer, clock).verify(issuer.token("alice", "", now=NOW))
    assert bare.scopes == set()


def test_an_unknown_scope_is_refused_with_the_valid_ones(folder: Path) -> None:
    issuer = DevelopmentIssuer(folder)
    with pytest.raises(UnknownScopes) as refusal:
        issuer.token("alice", "keys:read keys:rwite")
    assert "'keys:rwite'" in str(refusal.value)
    assert all(scope in str(refusal.value) for scope in Scope)
    with pytest.raises(UnknownScopes):
        issuer.token("alice", ["keys:read bots:read"])


@pytest.mark.parametrize("name", ["", " alice", "al\nice", "x" * 256])
def test_a_name_that_no_account_can_have_gets_no_token(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="visible"):
        DevelopmentIssuer(folder).token(name)


def is_signed_with_the_file(token: str, folder: Path) -> bool:
    key = ECKey.import_key(json.loads((folder / KEY_FILE).read_text()))
    return bool(jwt.decode(token, key, algorithms=["ES256"]).claims["sub"] == "alice")


def test_the_key_is_kept_for_its_owner_alone(folder: Path) -> None:
    for _ in range(2):
        assert is_signed_with_the_file(DevelopmentIssuer(folder).token("alice"), folder)
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_another_folders_issuer_is_a_stranger(folder: Path, clock: Clock) -> None:
    token = DevelopmentIssuer(folder / "other").token("alice", now=NOW)
    with pytest.raises(Unauthenticated):
        await verifier_of(DevelopmentIssuer(folder), clock).verify(token)


def test_processes_that_start_at_once_end_with_the_same_key(folder: Path) -> None:
    """Each waits for a line, so that all are ready before the first looks for the file."""
    program = (
        "import sys; from pathlib import Path;"
        "from app.auth.development_issuer import DevelopmentIssuer;"
        "print('ready', flush=True); sys.stdin.readline();"
        f"print(DevelopmentIssuer(Path(sys.argv[1])).token('alice', now={NOW}))"
    )
    crowd = [
        subprocess.Popen(  # noqa: S603  # our own interpreter and program
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in crowd:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    tokens = [process.communicate(timeout=100)[0].strip() for process in crowd]
    assert all(is_signed_with_the_file(token, folder) for token in tokens)
    assert len(set(tokens)) == len(crowd)
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_half_a_file_left_by_a_killed_process_is_no_hindrance(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / f"{KEY_FILE}.new").write_text('{"kty":')
    assert DevelopmentIssuer(folder).token("alice")
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    DevelopmentIssuer(folder)
    (folder / KEY_FILE).chmod(mode)
    with pytest.raises(UnusableIssuerKey, match="chmod 600"):
        DevelopmentIssuer(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"kty": "EC"}',
        '{"kty": "oct", "k": "AAAA"}',
        json.dumps(ec_key().as_dict(private=False)),
        "x" * 10_000,
    ],
)
def test_a_file_without_a_private_key_is_refused_and_kept(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    path = folder / KEY_FILE
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UnusableIssuerKey, match="delete it"):
        DevelopmentIssuer(folder)
    assert path.read_text() == text


def test_a_link_in_the_keys_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    DevelopmentIssuer(tmp_path)
    folder.mkdir(parents=True)
    (folder / KEY_FILE).symlink_to(tmp_path / KEY_FILE)
    with pytest.raises(UnusableIssuerKey, match="cannot be opened"):
        DevelopmentIssuer(folder)


def test_the_issuer_shows_nothing_of_its_key(folder: Path) -> None:
    issuer = DevelopmentIssuer(folder)
    secret = json.loads((folder / KEY_FILE).read_text())["d"]
    assert secret not in repr(issuer) + repr(vars(issuer))
