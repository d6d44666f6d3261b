"""Wrapped master keys: nothing plain on the disk, and nothing changed where wrapping fails."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.commands.rotate_master_key import report_master_keys
from app.commands.wrap_master_keys import (
    NotWrapped,
    Target,
    rewrap_master_keys,
    wrap_master_keys,
    wrapping_with,
)
from app.custody import keyring as keyrings
from app.custody.errors import (
    KeyFileError,
    KeyFileGarbled,
    KeyFileMissing,
    KeyFileUnusable,
    KeyNotUnwrapped,
    KeyPairMismatch,
)
from app.custody.files import locked_folder
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.wrapping import command, wrappers
from app.custody.wrapping.command import arguments
from app.custody.wrapping.kms import KmsWrapper
from app.custody.wrapping.wrapped import (
    How,
    SeedBinding,
    WrappedSeed,
    WrapperFailed,
    Wrapping,
)
from app.custody.wrapping.wrappers import Wrappers
from app.process.startup import prepare_key_folder
from app.settings import Mode, Role, Settings, SettingsError
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes
from tests.processes.running import eventually
from tests.support.leaks import all_logged, leaks
from tests.support.transit import SECRET_ID, TOKEN, Transit, transit

TRANSIT = Target(How.VAULT_TRANSIT, "botkeys")
KMS = Target(How.AWS_KMS, "arn:aws:kms:eu-central-1:111122223333:key/0a1b", region=None)
COMMAND = Target(How.COMMAND)
SEED = bytes(range(32))


class Kms:
    """The two calls of AWS KMS, which gives a plaintext back for the same context only."""

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[bytes, str, dict[str, str]]] = {}
        self.regions: list[str] = []

    def __call__(self, region: str) -> "Kms":
        self.regions.append(region)
        return self

    def encrypt(self, **given: Any) -> dict[str, Any]:
        blob = os.urandom(100)
        self.held[blob] = (given["Plaintext"], given["KeyId"], given["EncryptionContext"])
        return {"CiphertextBlob": blob}

    def decrypt(self, **given: Any) -> dict[str, Any]:
        plain, *bound = self.held.get(given["CiphertextBlob"], (b"", "", {}))
        if bound != [given["KeyId"], given["EncryptionContext"]]:
            raise Refusal("InvalidCiphertextException")
        return {"Plaintext": plain}


class Refusal(Exception):
    """An error with an answer, as botkeys' and botocore's are."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code, "Message": "PLANTED"}}
        super().__init__("PLANTED")


@pytest.fixture
def vault() -> Iterator[Transit]:
    with transit() as served:
        yield served


@pytest.fixture(autouse=True)
def kms(monkeypatch: pytest.MonkeyPatch) -> Kms:
    served = Kms()
    monkeypatch.setattr(wrappers, "KmsWrapper", lambda: KmsWrapper(served))
    return served


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrappers, "PAUSES", (0.0, 0.0))


@pytest.fixture
def settings(vault: Transit, folder: KeyFolder) -> Settings:
    return Settings(
        keys_dir=folder.path,
        vault_addr=vault.address,
        vault_token=SecretStr(TOKEN),
        wrap_command=r"env LC_ALL=C tr '\000-\377' '\377\000-\376'",
        unwrap_command=r'["env", "LC_ALL=C", "tr", "\\000-\\377", "\\001-\\377\\000"]',
    )


@pytest.fixture
def two(folder: KeyFolder) -> KeyFolder:
    """Provide a folder with two master keys in clear."""
    folder.create_missing([KeyKind.MASTER])
    folder.create_master_key()
    return folder


def unwrapping(settings: Settings) -> KeyFolder:
    return KeyFolder(settings.keys_folder, Wrappers(settings).unwrap)


def held(folder: KeyFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def seeds(folder: KeyFolder) -> list[str]:
    """Return the last line of each private key file in clear."""
    texts = [path.read_text() for path in folder.path.glob("*.private")]
    return [text.split("\n")[-2] for text in texts]


def changed(settings: Settings, **values: Any) -> Settings:
    return settings.model_copy(update=values)


def fingerprints(folder: KeyFolder) -> dict[int, str]:
    return {v: key.fingerprint for v, key in folder.load_private_master_keys().items()}


@pytest.mark.parametrize("target", [TRANSIT, KMS, COMMAND], ids=lambda target: target.how)
def test_keys_are_wrapped_and_open_what_they_opened_before(
    two: KeyFolder, settings: Settings, target: Target
) -> None:
    """R91."""
    before, plain, lines_out = fingerprints(two), seeds(two), list[str]()

    wrap_master_keys(settings, None, (), target, lines_out.append)

    assert fingerprints(unwrapping(settings)) == before
    text = target.wrapping().text
    assert lines_out[:2] == [f"master-000{v}.private is wrapped ({text})." for v in (1, 2)]
    assert "old backups" in lines_out[2]
    assert sorted(held(two)) == [
        f"master-000{v}.{half}" for v in (1, 2) for half in ("private", "public")
    ]
    for name, content in held(two).items():
        assert (two.path / name).stat().st_mode & 0o777 == 0o600
        assert leaks({name: content.decode()}, plain) == []
    with pytest.raises(KeyNotUnwrapped, match="unwraps no keys"):
        two.load_private_master_keys()


def test_the_text_of_a_wrapped_key_is_as_documented(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.custody.keyfiles.secrets.token_bytes", lambda _: SEED)
    wrapping = Wrapping(How.VAULT_TRANSIT, ("transit", "botkeys"))

    folder.path.mkdir(mode=0o700)
    unwrap = KeyFolder(folder.path, lambda _: SecretBytes(SEED))
    unwrap.create_master_key(lambda _, binding: WrappedSeed(wrapping, binding, b"vault:v1:AAEC"))

    written = (folder.path / "master-0001.private").read_text()
    assert written == (
        "botkeys master-private 2\nversion 1\ncheck c9a3565ffde4f72b\n"
        "wrapped vault-transit transit botkeys\ndmF1bHQ6djE6QUFFQw\n"
    )
    documented = (Path(__file__).parents[2] / "docs/custody.md").read_text()
    assert written in documented
    binding = SeedBinding(1, "c9a3565ffde4f72b")
    assert base64url.encode(binding.associated_data) in documented
    assert all(f"`{value}`" in documented for value in binding.context.values())


def test_a_key_made_wrapped_is_never_on_the_disk_in_clear(
    folder: KeyFolder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    actual = os.write

    def record(descriptor: int, data: Any) -> int:
        written.append(bytes(data))
        return actual(descriptor, data)

    monkeypatch.setattr(os, "write", record)
    monkeypatch.setattr("app.custody.keyfiles.secrets.token_bytes", lambda _: SEED)
    folder = unwrapping(settings)
    assert folder.create_master_key(wrapping_with(settings, TRANSIT)) == 1

    assert list(folder.load_private_master_keys()) == [1]
    texts = {str(n): repr(content) for n, content in enumerate([*held(folder).values(), *written])}
    assert leaks(texts, [SEED.decode("latin-1"), base64url.encode(SEED)]) == []


def test_wrapping_that_fails_makes_no_key(
    folder: KeyFolder, settings: Settings, vault: Transit
) -> None:
    vault.status = [403]
    with pytest.raises(NotWrapped, match=r"answered 403 .* Nothing was changed"):
        unwrapping(settings).create_master_key(wrapping_with(settings, TRANSIT))
    assert held(folder) == {}


def lie(vault: Transit) -> None:
    vault.lies = True


def refuse_the_second(vault: Transit) -> None:
    actual, count = vault.answer, iter(range(9))

    def answer(path: str, body: Any, token: str | None) -> Any:
        return (403, {}) if next(count) == 2 else actual(path, body, token)

    vault.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [(lie, "unwraps to another key"), (refuse_the_second, "answered 403")],
)
def test_nothing_is_replaced_unless_every_key_was_wrapped_and_unwrapped(
    two: KeyFolder,
    settings: Settings,
    vault: Transit,
    spoil: Callable[[Transit], None],
    expected: str,
) -> None:
    """R91."""
    before = held(two)
    spoil(vault)
    with pytest.raises(NotWrapped, match=expected):
        wrap_master_keys(settings, None, (), TRANSIT, print)
    assert held(two) == before


def test_what_a_killed_run_left_is_no_hindrance(two: KeyFolder, settings: Settings) -> None:
    left = two.path / ".master-0001.private.replacement.draft"
    left.write_text("half")
    left.chmod(0o600)
    wrap_master_keys(settings, None, [1], COMMAND, lambda _: None)
    assert not left.exists()
    assert list(two.wrappings().values()) == [Wrapping(How.COMMAND), None]


def test_two_at_once_do_not_change_one_folder(two: KeyFolder, settings: Settings) -> None:
    before = held(two)
    with locked_folder(two.path), pytest.raises(KeyFileUnusable, match="another process"):
        wrap_master_keys(settings, None, (), COMMAND, print)
    assert held(two) == before


def test_a_file_that_changes_meanwhile_is_left(two: KeyFolder, settings: Settings) -> None:
    private = two.path / "master-0001.private"

    def wrap(_: SecretBytes, binding: SeedBinding) -> WrappedSeed:
        private.write_bytes(b"another")
        return WrappedSeed(Wrapping(How.COMMAND), binding, b"wrapped")

    with pytest.raises(KeyFileUnusable, match="changed meanwhile"):
        two.rewrap([1], wrap)
    assert private.read_bytes() == b"another"


def test_rewrapping_takes_the_newest_key_or_another_wrapper(
    two: KeyFolder, settings: Settings, vault: Transit
) -> None:
    before, lines_out = fingerprints(two), list[str]()
    wrap_master_keys(settings, None, [1], TRANSIT, lines_out.append)
    vault.keys.append(os.urandom(32))

    rewrap_master_keys(settings, None, (), None, lines_out.append)
    wrapped = unwrapping(settings)._half(1)
    assert isinstance(wrapped, WrappedSeed)
    assert wrapped.content.startswith(b"vault:v2:")
    assert lines_out[-1] == "master-0002.private is in clear: `wrap` wraps it."

    rewrap_master_keys(settings, None, [1], KMS, lines_out.append)
    assert lines_out[-1].startswith(
        "master-0001.private is wrapped again (aws-kms eu-central-1 arn:"
    )
    assert fingerprints(unwrapping(settings)) == before
    wrap_master_keys(settings, None, [1], TRANSIT, lines_out.append)
    assert "`rewrap` wraps it again" in lines_out[-2]
    with pytest.raises(KeyFileMissing, match="no private master key 7"):
        rewrap_master_keys(settings, None, [7], KMS, lines_out.append)


async def test_status_says_how_each_key_is_wrapped_without_a_database(
    two: KeyFolder, settings: Settings
) -> None:
    wrap_master_keys(settings, None, [2], TRANSIT, lambda _: None)
    lines_out: list[str] = []
    await report_master_keys(settings, lines_out.append)
    assert lines_out == [
        "master-0001.private is in clear.",
        "master-0002.private is wrapped (vault-transit transit botkeys).",
        "BOTKEYS_DATABASE_URL is not set: data keys and processes are not counted.",
    ]


@pytest.mark.parametrize("target", [TRANSIT, KMS], ids=lambda target: target.how)
def test_a_wrapped_seed_is_bound_to_its_version_and_key(
    two: KeyFolder, settings: Settings, target: Target
) -> None:
    wrap_master_keys(settings, None, (), target, lambda _: None)
    first, second = (two.path / f"master-000{v}.private" for v in (1, 2))
    lines = second.read_text().split("\n")
    lines[-2] = first.read_text().split("\n")[-2]
    second.write_text("\n".join(lines))
    with pytest.raises(KeyNotUnwrapped, match=r"master-0002\.private"):
        unwrapping(settings).load_private_master_keys()


def test_a_wrapper_that_binds_nothing_is_found_out_by_the_fingerprint(
    two: KeyFolder, settings: Settings
) -> None:
    wrap_master_keys(settings, None, (), COMMAND, lambda _: None)
    first, second = (two.path / f"master-000{v}.private" for v in (1, 2))
    lines = second.read_text().split("\n")
    lines[-2] = first.read_text().split("\n")[-2]
    second.write_text("\n".join(lines))
    with pytest.raises(KeyFileGarbled, match="another key"):
        unwrapping(settings).load_private_master_keys()


def test_no_altered_or_truncated_file_gives_a_key(two: KeyFolder, settings: Settings) -> None:
    wrap_master_keys(settings, None, [1], TRANSIT, lambda _: None)
    content = (two.path / "master-0001.private").read_bytes()
    seed = SecretBytes(SEED)
    unwrapped = KeyFolder(two.path, lambda _: SecretBytes(seed.reveal()))
    for at in range(len(content) - 1):
        other = bytes([content[at] ^ 1])
        for damaged in (content[:at], content[:at] + other + content[at + 1 :]):
            (two.path / "master-0001.private").write_bytes(damaged)
            with pytest.raises((KeyFileGarbled, KeyPairMismatch)):
                unwrapped.load_private_master_keys()


@pytest.mark.parametrize(
    "line",
    [
        "vault-transit https://evil.example botkeys",
        "vault-transit ../sys botkeys",
        "vault-transit a/./b botkeys",
        "vault-transit transit botkeys/../x",
        "vault-transit transit botkeys?x",
        "vault-transit transit",
        "vault-transit transit  botkeys",
        "aws-kms evil.example/ key",
        "aws-kms eu-central-1.evil.example key",
        "aws-kms eu-central-1 ../key",
        "command /bin/sh",
        "command base64 -d",
        "sealed x y",
        "",
    ],
)
def test_a_file_names_no_program_and_no_host(line: str) -> None:
    """R92."""
    assert Wrapping.parse(line) is None


@pytest.mark.parametrize(
    "text", ["command", "vault-transit a/b.c key_1", "aws-kms us-gov-west-1 alias/botkeys"]
)
def test_what_a_file_says_is_read_as_it_was_written(text: str) -> None:
    wrapping = Wrapping.parse(text)
    assert wrapping is not None
    assert wrapping.text == text


def test_a_running_process_goes_on_while_a_new_key_is_unwrapped(
    folder: KeyFolder, settings: Settings, vault: Transit
) -> None:
    folder = unwrapping(settings)
    folder.create_master_key(wrapping_with(settings, TRANSIT))
    releasing = ReleasingKeyring(folder)
    asked = len(vault.asked)
    folder_of_operator = unwrapping(settings)
    folder_of_operator.create_master_key(wrapping_with(settings, TRANSIT))
    vault.delay = threading.Event()

    began = time.monotonic()
    assert releasing.releaser().versions == (1,)
    assert time.monotonic() - began < 2
    assert releasing.problem is None
    vault.delay.set()
    assert eventually(lambda: releasing.releaser().versions == (1, 2))
    for _ in range(5):
        assert releasing.releaser() is releasing.releaser()
    # Wrapping and its check, the folder of the operator once more, and this process: once.
    assert vault.asked[asked:].count("/v1/transit/decrypt/botkeys") == 3


def test_a_new_key_that_cannot_be_unwrapped_leaves_the_others_in_use(
    folder: KeyFolder, settings: Settings, vault: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unwrapping(settings)
    folder.create_master_key(wrapping_with(settings, TRANSIT))
    releasing = ReleasingKeyring(folder)
    unwrapping(settings).create_master_key(wrapping_with(settings, TRANSIT))
    vault.status = [403]
    monkeypatch.setattr(keyrings, "UNWRAP_AGAIN_SECONDS", 0.3)

    assert releasing.releaser().versions == (1,)
    assert eventually(lambda: releasing.problem is not None)
    assert isinstance(releasing.problem, KeyNotUnwrapped)
    assert releasing.releaser().versions == (1,)
    assert eventually(lambda: releasing.releaser().versions == (1, 2))
    assert releasing.problem is None


def test_a_key_that_is_removed_is_forgotten(folder: KeyFolder, settings: Settings) -> None:
    folder = unwrapping(settings)
    for _ in range(2):
        folder.create_master_key(wrapping_with(settings, COMMAND))
    releasing = ReleasingKeyring(folder)
    assert releasing.releaser().versions == (1, 2)
    for half in ("private", "public"):
        (folder.path / f"master-0002.{half}").unlink()
    assert releasing.releaser().versions == (1,)
    assert len(folder._unwrapped) == 1


def test_sealing_never_unwraps(folder: KeyFolder, settings: Settings, vault: Transit) -> None:
    folder = unwrapping(settings)
    folder.create_master_key(wrapping_with(settings, TRANSIT))
    asked = len(vault.asked)
    sealing = SealingKeyring(KeyFolder(folder.path))
    assert sorted(sealing.sealers()) == [1]
    assert len(vault.asked) == asked
    other = folder.path / "master-0001.public"
    other.unlink()
    made = KeyFolder(folder.path.parent / "other")
    made.create_missing([KeyKind.MASTER])
    other.write_bytes((made.path / "master-0001.public").read_bytes())
    other.chmod(0o600)
    with pytest.raises(KeyPairMismatch):
        KeyFolder(folder.path).load_public_master_keys()


def test_runtime_starts_with_wrapped_keys_and_api_refuses_them(
    folder: KeyFolder, settings: Settings, vault: Transit
) -> None:
    unwrapping(settings).create_master_key(wrapping_with(settings, TRANSIT))
    folder.create_missing([KeyKind.TOKEN_HMAC, KeyKind.AUDIT_HMAC])
    ready = prepare_key_folder(settings, Role.RUNTIME)
    assert ReleasingKeyring(ready).releaser().versions == (1,)
    with pytest.raises(SettingsError, match=r"master-0001\.private \(a private master key\)"):
        prepare_key_folder(settings, Role.API)
    vault.status = [503, 503, 503]
    with pytest.raises(
        KeyNotUnwrapped, match=r"wrapped \(vault-transit transit botkeys\) .* Vault answered 503"
    ):
        ReleasingKeyring(prepare_key_folder(settings, Role.RUNTIME))


def test_a_passing_failure_is_tried_again_and_logged(
    folder: KeyFolder, settings: Settings, vault: Transit
) -> None:
    folder = unwrapping(settings)
    folder.create_master_key(wrapping_with(settings, TRANSIT))
    vault.status = [503, 429]
    with all_logged() as logs:
        assert list(unwrapping(settings).load_private_master_keys()) == [1]
    assert logs.printed.count("master_key_wrapper_failed") == 2
    vault.status = [400]
    with pytest.raises(KeyNotUnwrapped):
        unwrapping(settings).load_private_master_keys()
    assert vault.status == []


def kubernetes(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "jwt").write_text("a.b.c\n")
    return {
        "vault_role": "botkeys",
        "vault_jwt_path": tmp_path / "jwt",
        "vault_auth_mount": "cluster-1",
    }


@pytest.mark.parametrize(
    "login",
    [
        kubernetes,
        lambda _: {"vault_role_id": "r", "vault_secret_id": SecretStr(SECRET_ID)},
        lambda _: {"vault_token": SecretStr(TOKEN), "vault_namespace": "team"},
    ],
    ids=["kubernetes", "approle", "token"],
)
def test_each_way_to_log_in(
    folder: KeyFolder,
    settings: Settings,
    vault: Transit,
    tmp_path: Path,
    login: Callable[[Path], dict[str, Any]],
) -> None:
    given = changed(changed(settings, vault_token=None), **login(tmp_path))
    unwrapping(given).create_master_key(wrapping_with(given, TRANSIT))
    assert list(unwrapping(given).load_private_master_keys()) == [1]
    assert vault.namespaces == {given.vault_namespace}


SCRIPT = "import sys, time; sys.stdin.buffer.read(); "


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"vault_addr": None}, "BOTKEYS_VAULT_ADDR is not set"),
        ({"vault_token": None}, "nothing to log in to Vault with"),
        ({"vault_token": None, "vault_role": "x", "vault_jwt_path": Path("/none")}, "/none cannot"),
        ({"vault_token": SecretStr("wrong")}, "answered 403 to transit/decrypt/botkeys"),
        ({"vault_addr": "http://127.0.0.1:1"}, "does not answer: Unreachable at 127.0.0.1"),
        ({"unwrap_command": None}, "BOTKEYS_UNWRAP_COMMAND is not set"),
        ({"unwrap_command": "/nowhere/program"}, r"cannot be started \(No such file"),
        ({"unwrap_command": "false"}, "ended with status 1"),
        ({"unwrap_command": "echo PLANTED"}, "printed 8 bytes instead of 32"),
        ({"unwrap_command": "sh -c 'sleep 30 & sleep 30'"}, "did not end within 0.2 s"),
        ({"unwrap_command": "head -c 32 /dev/zero"}, "another key than its check says"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    folder: KeyFolder,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    expected: str,
) -> None:
    how = COMMAND if "unwrap_command" in values else TRANSIT
    unwrapping(settings).create_master_key(wrapping_with(settings, how))
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(KeyFileError, match=expected) as caught:
        unwrapping(changed(settings, **values)).load_private_master_keys()
    assert time.monotonic() - began < 10
    assert caught.value.path == folder.path / "master-0001.private"
    assert "PLANTED" not in str(caught.value)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_refusal_of_kms_is_named_by_its_code_alone(
    kms: Kms, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def decrypt(**_: Any) -> dict[str, Any]:
        raise Refusal(code)

    monkeypatch.setattr(kms, "decrypt", decrypt)
    wrapped = WrappedSeed(KMS.wrapping(), SeedBinding(1, "0" * 16), b"blob")
    with pytest.raises(WrapperFailed, match=rf"^AWS KMS answered {code}\.$") as caught:
        KmsWrapper(kms).unwrap(wrapped)
    assert caught.value.temporary == (code == "ThrottlingException")


def test_neither_seed_nor_token_is_in_errors_or_logs(
    folder: KeyFolder,
    settings: Settings,
    vault: Transit,
    monkeypatch: pytest.MonkeyPatch,
    with_locals: Callable[[BaseException], str],
) -> None:
    """R92. The fake repeats what it was sent in each refusal, the seed included."""
    monkeypatch.setattr("app.custody.keyfiles.secrets.token_bytes", lambda _: SEED)
    secrets = [SEED.decode("latin-1"), base64url.encode(SEED), TOKEN, SECRET_ID]
    shown = {}
    with all_logged() as logs:
        for status in (400, 403, 429, 500):
            vault.status = [status] * 3
            with pytest.raises(NotWrapped) as caught:
                unwrapping(settings).create_master_key(wrapping_with(settings, TRANSIT))
            shown[str(status)] = with_locals(caught.value)
        unwrapping(settings).create_master_key(wrapping_with(settings, TRANSIT))
        vault.status = [500] * 3
        with pytest.raises(KeyNotUnwrapped) as failed:
            unwrapping(settings).load_private_master_keys()
        shown["unwrapping"] = with_locals(failed.value)
        unwrapping(settings).load_private_master_keys()
    shown |= logs.places()
    assert "master_key_wrapper_failed" in logs.printed
    assert leaks(shown, secrets) == []


def test_the_program_gets_none_of_our_variables(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_DATABASE_URL", "PLANTED")
    monkeypatch.setenv("HOME_OF_TPM", "here")
    given = changed(settings, wrap_command="env")
    wrapper = command.CommandWrapper(None, given.wrap_command)
    printed = wrapper.wrap(SecretBytes(SEED), (), SeedBinding(3, "0123456789abcdef")).decode()
    assert "PLANTED" not in printed
    assert {"HOME_OF_TPM=here", "MASTER_KEY_VERSION=3"} <= set(printed.splitlines())


@pytest.mark.parametrize("text", ["", "[]", "[1]", '["a"', "'a", "[[]]"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        arguments(text)
    wrapper = command.CommandWrapper(text, None)
    wrapped = WrappedSeed(Wrapping(How.COMMAND), SeedBinding(1, "0" * 16), b"x")
    with pytest.raises(WrapperFailed, match="it is not a command"):
        wrapper.unwrap(wrapped)


@pytest.mark.parametrize(
    "target",
    [
        Target(How.VAULT_TRANSIT),
        Target(How.VAULT_TRANSIT, "a/b"),
        Target(How.AWS_KMS, "key"),
        Target(How.AWS_KMS, "key", region="nowhere"),
    ],
)
def test_options_that_name_no_key_are_refused(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotWrapped):
        target.wrapping()


@pytest.mark.parametrize(
    "address",
    ["http://vault.example:8200", "vault.example", "https://user:PLANTED@v", "https://v?x=1"],
)
def test_a_token_goes_to_no_address_in_clear(address: str) -> None:
    with pytest.raises(ValidationError, match="must be an") as refused:
        Settings(mode=Mode.PRODUCTION, vault_addr=address)
    assert "PLANTED" not in str(refused.value)


def test_systemd_s_folder_may_hold_the_files_of_secret_settings_too(
    folder: KeyFolder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.create_missing([KeyKind.MASTER, KeyKind.TOKEN_HMAC, KeyKind.AUDIT_HMAC])
    address = folder.path / "database-url"
    address.write_text("postgresql:///botkeys")
    with pytest.raises(SettingsError, match=r"database-url \(not a key file\)"):
        prepare_key_folder(settings, Role.RUNTIME)
    monkeypatch.setenv("BOTKEYS_DATABASE_URL_FILE", str(address))
    prepare_key_folder(settings, Role.RUNTIME)
    address.write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(SettingsError, match=r"database-url \(a private key of another kind\)"):
        prepare_key_folder(settings, Role.RUNTIME)
