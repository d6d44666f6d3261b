"""Sealing and releasing together: what opens, and above all what does not."""

import copy
import json
import pickle
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from app.custody.errors import UnknownMasterKey
from app.custody.master_key import MasterPrivateKey
from app.custody.release import Releaser
from app.custody.sealing import Sealed, Sealer
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen, InvalidPublicKey, UnknownSuite
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PrivateKey, PublicKey, SuiteName

OTHERS: dict[str, Any] = {
    "account_id": uuid4(),
    "key_id": uuid4(),
    "version": 2,
    "exchange": "binance",
    "environment": Environment.LIVE,
}
every_field = pytest.mark.parametrize("field", OTHERS)
text = st.text(max_size=80)


def release(
    master: MasterPrivateKey, sealed: Sealed, binding: Binding, bot_id: UUID, bot: PrivateKey
) -> bytes:
    return Releaser({master.version: master}).release(
        sealed_data_key=sealed.sealed_data_key,
        master_key_version=sealed.master_key_version,
        binding=binding,
        bot_id=bot_id,
        recipient=bot.public,
    )


@pytest.mark.parametrize("suite", list(SuiteName))
def test_the_bot_opens_what_the_api_sealed(
    suite: SuiteName,
    master: MasterPrivateKey,
    binding: Binding,
    bot_id: UUID,
    credentials: Credentials,
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    bot = PrivateKey.generate(suite)
    data_key = bot.open(release(master, sealed, binding, bot_id, bot), binding.release_info(bot_id))
    plaintext = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, binding.seal_data())
    assert json.loads(plaintext) == {
        "api_key": "PLANTED-api-key-0123456789",
        "api_secret": "PLANTED-api-secret-0123456789",
        "api_passphrase": "PLANTED-passphrase",
    }
    assert len(sealed.nonce) == 12
    assert len(data_key) == 32
    assert len(sealed.sealed_data_key) == 1120 + 32 + 16


@given(key=text, secret=text, passphrase=st.none() | text)
def test_any_text_survives_the_way(key: str, secret: str, passphrase: str | None) -> None:
    master = MasterPrivateKey(1, bytes(32))
    binding = Binding(UUID(int=1), UUID(int=2), 1, "okx", Environment.LIVE)
    boxed = None if passphrase is None else Secret(passphrase)
    sealed = Sealer(master.public).seal(Credentials(Secret(key), Secret(secret), boxed), binding)
    data_key = master.open(sealed.sealed_data_key, binding.data_key_info(1))
    opened = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, binding.seal_data())
    expected = {"api_key": key, "api_secret": secret}
    if passphrase is not None:
        expected["api_passphrase"] = passphrase
    assert json.loads(opened) == expected


def test_text_that_has_no_utf8_form_is_sealed_without_an_error_that_quotes_it(
    master: MasterPrivateKey, binding: Binding
) -> None:
    odd = Credentials(Secret("PLANTED\ud800"), Secret("PLANTED\udfff"))
    sealed = Sealer(master.public).seal(odd, binding)
    data_key = master.open(sealed.sealed_data_key, binding.data_key_info(1))
    opened = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, binding.seal_data())
    assert json.loads(opened)["api_key"] == "PLANTED\ud800"


@every_field
def test_a_data_key_moved_to_another_row_is_not_released(
    field: str, master: MasterPrivateKey, binding: Binding, bot_id: UUID, credentials: Credentials
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    moved = replace(binding, **{field: OTHERS[field]})
    with pytest.raises(CannotOpen):
        release(master, sealed, moved, bot_id, PrivateKey.generate(SuiteName.X25519))


@every_field
def test_a_ciphertext_moved_to_another_row_does_not_open_even_with_its_data_key(
    field: str, master: MasterPrivateKey, binding: Binding, credentials: Credentials
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    data_key = master.open(sealed.sealed_data_key, binding.data_key_info(1))
    moved = replace(binding, **{field: OTHERS[field]})
    with pytest.raises(InvalidTag):
        AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, moved.seal_data())


@every_field
@pytest.mark.parametrize("suite", list(SuiteName))
def test_a_release_answered_for_another_row_does_not_open(
    suite: SuiteName,
    field: str,
    master: MasterPrivateKey,
    binding: Binding,
    credentials: Credentials,
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    bot, bot_id = PrivateKey.generate(suite), uuid4()
    released = release(master, sealed, binding, bot_id, bot)
    moved = replace(binding, **{field: OTHERS[field]})
    with pytest.raises(CannotOpen):
        bot.open(released, moved.release_info(bot_id))


@pytest.mark.parametrize("suite", list(SuiteName))
def test_a_release_for_one_bot_does_not_open_as_another_s(
    suite: SuiteName,
    master: MasterPrivateKey,
    binding: Binding,
    bot_id: UUID,
    credentials: Credentials,
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    bot = PrivateKey.generate(suite)
    released = release(master, sealed, binding, bot_id, bot)
    with pytest.raises(CannotOpen):
        bot.open(released, binding.release_info(uuid4()))
    with pytest.raises(CannotOpen):
        PrivateKey.generate(suite).open(released, binding.release_info(bot_id))


def test_the_parts_of_two_rows_cannot_be_mixed(
    master: MasterPrivateKey, binding: Binding, credentials: Credentials
) -> None:
    sealer = Sealer(master.public)
    one, other = sealer.seal(credentials, binding), sealer.seal(credentials, binding)
    assert one.nonce != other.nonce
    data_key = master.open(one.sealed_data_key, binding.data_key_info(1))
    with pytest.raises(InvalidTag):
        AESGCM(data_key).decrypt(other.nonce, other.ciphertext, binding.seal_data())


@given(bit=st.integers(0, 1168 * 8 - 1))
def test_no_flipped_bit_of_a_sealed_data_key_is_released(bit: int) -> None:
    master = MasterPrivateKey(1, bytes(32))
    binding = Binding(UUID(int=1), UUID(int=2), 1, "okx", Environment.LIVE)
    sealed = Sealer(master.public).seal(Credentials(Secret("a"), Secret("b")), binding)
    flipped = bytearray(sealed.sealed_data_key)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        release(
            master,
            replace(sealed, sealed_data_key=bytes(flipped)),
            binding,
            UUID(int=3),
            PrivateKey(SuiteName.X25519, bytes(32)),
        )


def test_a_master_key_that_is_not_held_is_named(
    master: MasterPrivateKey, binding: Binding, bot_id: UUID, credentials: Credentials
) -> None:
    sealed = replace(Sealer(master.public).seal(credentials, binding), master_key_version=9)
    with pytest.raises(UnknownMasterKey) as caught:
        release(master, sealed, binding, bot_id, PrivateKey.generate(SuiteName.X25519))
    assert caught.value.version == 9


@pytest.mark.parametrize(
    ("suite", "public_key", "expected"),
    [
        ("rot13", bytes(32), UnknownSuite),
        ("x25519", bytes(32), InvalidPublicKey),
        ("x25519", b"", InvalidPublicKey),
        ("mlkem768-x25519", b"\xff" * 1216, InvalidPublicKey),
    ],
)
def test_a_key_that_cannot_be_sealed_to_is_refused_before_anything_is_opened(
    suite: str, public_key: bytes, expected: type[Exception], binding: Binding, bot_id: UUID
) -> None:
    # There is no master key: if the data key were opened first, the error would be different.
    with pytest.raises(expected):
        Releaser({}).release(
            sealed_data_key=b"",
            master_key_version=1,
            binding=binding,
            bot_id=bot_id,
            recipient=PublicKey(SuiteName.parse(suite), public_key),
        )


def test_a_rotation_moves_the_data_key_and_leaves_the_ciphertext(
    master: MasterPrivateKey, binding: Binding, bot_id: UUID, credentials: Credentials
) -> None:
    newer = MasterPrivateKey(2, b"n" * 32)
    sealed = Sealer(master.public).seal(credentials, binding)
    both = Releaser({1: master, 2: newer})
    moved = both.reseal(sealed.sealed_data_key, 1, 2, binding)
    assert both.reseal(moved, 2, 2, binding) == moved

    bot = PrivateKey.generate(SuiteName.X25519)
    rotated = replace(sealed, sealed_data_key=moved, master_key_version=2)
    released = release(newer, rotated, binding, bot_id, bot)
    data_key = bot.open(released, binding.release_info(bot_id))
    assert b"PLANTED-api-key" in AESGCM(data_key).decrypt(
        sealed.nonce, sealed.ciphertext, binding.seal_data()
    )


@every_field
def test_a_rotation_refuses_a_row_that_was_moved(
    field: str, master: MasterPrivateKey, binding: Binding, credentials: Credentials
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    moved = replace(binding, **{field: OTHERS[field]})
    with pytest.raises(CannotOpen):
        Releaser({1: master, 2: MasterPrivateKey(2, b"n" * 32)}).reseal(
            sealed.sealed_data_key, 1, 2, moved
        )


def test_a_rotation_without_the_old_key_says_which_is_missing(binding: Binding) -> None:
    newer = {2: MasterPrivateKey(2, b"n" * 32)}
    for held, missing in (({}, 2), (newer, 1)):
        with pytest.raises(UnknownMasterKey) as caught:
            Releaser(held).reseal(b"", 1, 2, binding)
        assert caught.value.version == missing


def test_a_data_key_relabelled_with_another_master_version_does_not_open(
    master: MasterPrivateKey, binding: Binding, credentials: Credentials
) -> None:
    sealed = Sealer(master.public).seal(credentials, binding)
    same_key_as_version_2 = MasterPrivateKey(2, bytes(range(32)))
    with pytest.raises(CannotOpen):
        same_key_as_version_2.open(sealed.sealed_data_key, binding.data_key_info(2))


def test_the_sealer_has_nothing_that_opens(master: MasterPrivateKey) -> None:
    sealer = Sealer(master.public)
    public = {name for name in dir(sealer) if not name.startswith("_")}
    sealing = {"seal", "seal_api_key", "seal_private_half"}
    assert public == sealing | {"fingerprint", "master_key_version"}
    held = master.public
    assert {name for name in dir(held) if not name.startswith("_")} == {
        "fingerprint",
        "raw",
        "seal",
        "version",
    }
    assert not hasattr(held._key, "open")


def test_vault_objects_do_not_talk_and_cannot_be_copied(
    master: MasterPrivateKey, binding: Binding, credentials: Credentials
) -> None:
    sealer = Sealer(master.public)
    for thing in (sealer, Releaser({1: master}), master, master.public):
        assert repr(thing) == str(thing) == f"{thing}" == f"{type(thing).__name__}(…)"
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickled or copied"):
                attempt(thing)
    sealed = sealer.seal(credentials, binding)
    assert "b'" not in repr(sealed)


@pytest.mark.parametrize("broken", ["ciphertext", "data key"])
def test_an_error_while_sealing_shows_no_secret_even_with_local_variables(
    broken: str,
    binding: Binding,
    credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
    with_locals: Callable[[BaseException], str],
) -> None:
    master = MasterPrivateKey(1, bytes(range(32)))
    fixed = iter([b"nonce-nonce-", b"PLANTED-data-key-PLANTED-data-ke"])
    monkeypatch.setattr(secrets, "token_bytes", lambda _: next(fixed))

    def fail(*_: object) -> bytes:
        raise MemoryError

    if broken == "ciphertext":
        monkeypatch.setattr("app.custody.sealing.AESGCM", fail)
    else:
        monkeypatch.setattr("app.custody.master_key.PublicKey.seal", fail)
    with pytest.raises(MemoryError) as caught:
        Sealer(master.public).seal(credentials, binding)
    shown = with_locals(caught.value)
    assert "data_key = bytearray(b'\\x00" in shown
    assert "PLANTED" not in shown


def test_an_error_while_releasing_shows_no_data_key_even_with_local_variables(
    binding: Binding,
    bot_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    with_locals: Callable[[BaseException], str],
) -> None:
    master = MasterPrivateKey(1, bytes(range(32)))
    bot = PrivateKey.generate(SuiteName.X25519)
    sealed = Sealed(b"", b"", b"", 1)

    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(MasterPrivateKey, "open", lambda *_: bytearray(b"PLANTED data key"))
    monkeypatch.setattr("app.custody.release.PublicKey.seal", fail)
    with pytest.raises(MemoryError) as caught:
        release(master, sealed, binding, bot_id, bot)
    shown = with_locals(caught.value)
    assert "data_key = bytearray(b'\\x00" in shown
    assert "PLANTED" not in shown
