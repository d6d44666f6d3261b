"""Every vector of docs/custody-vectors.json, opened twice: by our code, and by the specification.

The second way follows docs/custody.md, RFC 9180 and the draft for the hybrid with only hash
functions, ML-KEM and X25519, as a bot in another language would.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.auth import bot_token as bot_tokens
from app.custody.fingerprint import account_hash, fingerprint, mask
from app.custody.master_key import MasterPrivateKey
from app.custody.release import Releaser
from app.custody.sealing import Sealed, Sealer
from botkeys import base64url
from botkeys.client import CannotOpen, MalformedAnswer
from botkeys.client.models import ReleaseAnswer
from botkeys.client.token import parse_token
from botkeys.client.unsealing import open_release
from botkeys.exchanges.model import Credentials, Environment
from botkeys.exchanges.pem import private_key
from botkeys.sealing.binding import Binding
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PrivateKey, PublicKey, SuiteName

DOCS = Path(__file__).parents[2] / "docs"
VECTORS: dict[str, Any] = json.loads((DOCS / "custody-vectors.json").read_text("utf-8"))
RELEASES: list[dict[str, str]] = VECTORS["releases"]
BOUND: dict[str, Any] = VECTORS["binding"]
SEAL: dict[str, str] = VECTORS["seal"]
MASTER: dict[str, Any] = VECTORS["data_key"]
BINDING = Binding(
    account_id=UUID(BOUND["account_id"]),
    key_id=UUID(BOUND["key_id"]),
    version=BOUND["version"],
    exchange=BOUND["exchange"],
    environment=Environment(BOUND["environment"]),
)
BOT_ID = UUID(BOUND["bot_id"])

releases = pytest.mark.parametrize("vector", RELEASES, ids=lambda vector: vector["suite"])


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def by_hand(label: str, *fields: str) -> bytes:
    return label.encode() + b"".join(len(f).to_bytes(2, "big") + f.encode() for f in fields)


def extract(suite_id: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    salt = salt or bytes(32)
    return hmac.digest(salt, b"HPKE-v1" + suite_id + label + key, "sha256")


def expand(suite_id: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    assert length <= 32
    text = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info
    return hmac.digest(key, text + b"\x01", "sha256")[:length]


def decapsulate(suite: str, seed: bytes, enc: bytes) -> tuple[int, bytes]:
    """Return the KEM's number and the shared secret."""
    if suite == "x25519":
        private = X25519PrivateKey.from_private_bytes(seed)
        shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
        context = enc + private.public_key().public_bytes_raw()
        prk = extract(b"KEM\x00\x20", b"", b"eae_prk", shared)
        return 0x0020, expand(b"KEM\x00\x20", prk, b"shared_secret", context, 32)
    wide = hashlib.shake_256(seed).digest(96)
    private = X25519PrivateKey.from_private_bytes(wide[64:])
    lattice = MLKEM768PrivateKey.from_seed_bytes(wide[:64]).decapsulate(enc[:1088])
    point = private.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    own = private.public_key().public_bytes_raw()
    return 0x647A, hashlib.sha3_256(lattice + point + enc[1088:] + own + b"\\.//^\\").digest()


def hpke_open(suite: str, seed: bytes, sealed: bytes, info: bytes) -> bytes:
    length = 32 if suite == "x25519" else 1120
    kem, shared = decapsulate(suite, seed, sealed[:length])
    suite_id = b"HPKE" + kem.to_bytes(2, "big") + b"\x00\x01\x00\x02"
    context = b"\x00" + extract(suite_id, b"", b"psk_id_hash", b"")
    context += extract(suite_id, b"", b"info_hash", info)
    secret = extract(suite_id, shared, b"secret", b"")
    key = expand(suite_id, secret, b"key", context, 32)
    nonce = expand(suite_id, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed[length:], b"")


def test_the_bindings_are_those_of_the_text() -> None:
    account, bot, key = BOUND["account_id"], BOUND["bot_id"], BOUND["key_id"]
    tail = (key, str(BOUND["version"]), BOUND["exchange"], BOUND["environment"])
    seal = by_hand("botkeys/seal/1", account, *tail)
    data_key = by_hand("botkeys/data-key/1", account, *tail, "1")
    release = by_hand("botkeys/release/1", account, bot, *tail)
    assert raw(SEAL["associated_data"]) == BINDING.seal_data() == seal
    assert raw(MASTER["info"]) == BINDING.data_key_info(1) == data_key
    for vector in RELEASES:
        assert raw(vector["info"]) == BINDING.release_info(BOT_ID) == release


def test_the_ciphertext_opens_with_the_data_key() -> None:
    cipher, nonce = AESGCM(raw(SEAL["data_key"])), raw(SEAL["nonce"])
    plaintext, associated = raw(SEAL["plaintext"]), raw(SEAL["associated_data"])
    assert cipher.encrypt(nonce, plaintext, associated) == raw(SEAL["ciphertext"])
    assert set(json.loads(plaintext)) == {"api_key", "api_secret", "api_passphrase"}


def test_the_data_key_opens_with_the_master_key_both_ways() -> None:
    seed, info, sealed = raw(MASTER["master_seed"]), raw(MASTER["info"]), MASTER["sealed_data_key"]
    master = MasterPrivateKey(MASTER["master_key_version"], seed)
    assert master.public.raw == raw(MASTER["master_public_key"])
    assert master.fingerprint == MASTER["master_fingerprint"]
    assert hashlib.sha256(master.public.raw).hexdigest().startswith(master.fingerprint)
    assert master.open(raw(sealed), info) == raw(SEAL["data_key"])
    assert hpke_open("mlkem768-x25519", seed, raw(sealed), info) == raw(SEAL["data_key"])


@releases
def test_a_release_opens_with_the_one_time_key_both_ways(vector: dict[str, str]) -> None:
    seed, info = raw(vector["private_key"]), raw(vector["info"])
    key = PrivateKey(SuiteName.parse(vector["suite"]), seed)
    assert key.public.raw == raw(vector["public_key"])
    sealed = raw(vector["sealed_data_key"])
    assert key.open(sealed, info) == raw(SEAL["data_key"])
    assert hpke_open(vector["suite"], seed, sealed, info) == raw(SEAL["data_key"])


@releases
def test_the_releaser_makes_what_the_text_opens(vector: dict[str, str]) -> None:
    releaser = Releaser({1: MasterPrivateKey(1, raw(MASTER["master_seed"]))})
    sealed = releaser.release(
        sealed_data_key=raw(MASTER["sealed_data_key"]),
        master_key_version=1,
        binding=BINDING,
        bot_id=BOT_ID,
        recipient=PublicKey(SuiteName.parse(vector["suite"]), raw(vector["public_key"])),
    )
    opened = hpke_open(vector["suite"], raw(vector["private_key"]), sealed, raw(vector["info"]))
    assert opened == raw(SEAL["data_key"])


@releases
def test_the_client_opens_the_answer_of_the_vectors(vector: dict[str, str]) -> None:
    answer = ReleaseAnswer.model_validate(
        {
            **BOUND,
            "suite": vector["suite"],
            "sealed_data_key": vector["sealed_data_key"],
            "nonce": SEAL["nonce"],
            "ciphertext": SEAL["ciphertext"],
        }
    )
    key = PrivateKey(SuiteName.parse(vector["suite"]), raw(vector["private_key"]))
    credentials = open_release(key, answer)
    assert credentials.api_key.reveal() == json.loads(raw(SEAL["plaintext"]))["api_key"]


PAIR: dict[str, Any] = VECTORS["pair"]
PARTS = {
    "private_half": replace(BINDING, exchange=PAIR["exchange"]),
    "api_key": replace(BINDING, exchange=PAIR["exchange"]).of_api_key(),
}


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_a_key_pair_opens_both_ways(name: str) -> None:
    vector, binding = PAIR[name], PARTS[name]
    tail = (BOUND["key_id"], str(vector["version"]), PAIR["exchange"], PAIR["environment"])
    associated = by_hand("botkeys/seal/1", BOUND["account_id"], *tail)
    assert raw(vector["associated_data"]) == binding.seal_data() == associated
    info = by_hand("botkeys/data-key/1", BOUND["account_id"], *tail, "1")
    assert raw(vector["info"]) == binding.data_key_info(1) == info

    seed, sealed = raw(MASTER["master_seed"]), raw(vector["sealed_data_key"])
    data_key = hpke_open("mlkem768-x25519", seed, sealed, info)
    assert data_key == raw(vector["data_key"])
    assert MasterPrivateKey(1, seed).open(sealed, info) == data_key
    opened = AESGCM(data_key).decrypt(raw(vector["nonce"]), raw(vector["ciphertext"]), associated)
    assert opened == raw(vector["plaintext"])
    for released, of_one_key in zip(vector["releases"], RELEASES, strict=True):
        tail_of_release = by_hand("botkeys/release/1", BOUND["account_id"], BOUND["bot_id"], *tail)
        assert raw(released["info"]) == binding.release_info(BOT_ID) == tail_of_release
        private = raw(of_one_key["private_key"])
        sealed = raw(released["sealed_data_key"])
        assert hpke_open(released["suite"], private, sealed, tail_of_release) == data_key


def pair_answer(number: int, **changes: Any) -> ReleaseAnswer:
    """Return the answer for the pair of the vectors, in the suite with this number."""

    def part(name: str) -> dict[str, Any]:
        vector = PAIR[name]
        return {
            "sealed_data_key": vector["releases"][number]["sealed_data_key"],
            "nonce": vector["nonce"],
            "ciphertext": vector["ciphertext"],
        }

    members = {
        **BOUND,
        "exchange": PAIR["exchange"],
        "suite": RELEASES[number]["suite"],
        **part("private_half"),
        "sealed_api_key": part("api_key"),
    }
    return ReleaseAnswer.model_validate({**members, **changes})


def one_time(number: int) -> PrivateKey:
    vector = RELEASES[number]
    return PrivateKey(SuiteName.parse(vector["suite"]), raw(vector["private_key"]))


@pytest.mark.parametrize("number", range(len(RELEASES)))
def test_the_client_joins_the_parts_of_a_key_pair(number: int) -> None:
    credentials = open_release(one_time(number), pair_answer(number))
    assert credentials.api_key.reveal() == "EXAMPLE0"
    private = private_key(credentials.api_secret.reveal())
    assert private.public_key() == load_pem_public_key(PAIR["public_key"].encode())


def test_parts_that_do_not_belong_together_are_no_credentials() -> None:
    """A client that knows no parts sees a private half without an API key, and says so."""
    whole = {
        "sealed_data_key": RELEASES[1]["sealed_data_key"],
        "nonce": SEAL["nonce"],
        "ciphertext": SEAL["ciphertext"],
    }
    part = {name: getattr(pair_answer(1).sealed_api_key, name) for name in whole}
    of_pair = {name: base64url.encode(value) for name, value in part.items()}
    half = {
        "sealed_data_key": PAIR["private_half"]["releases"][1]["sealed_data_key"],
        "nonce": PAIR["private_half"]["nonce"],
        "ciphertext": PAIR["private_half"]["ciphertext"],
    }
    with pytest.raises(MalformedAnswer):
        open_release(one_time(1), pair_answer(1, sealed_api_key=None))
    for exchanged in (
        pair_answer(1, **of_pair),
        pair_answer(1, sealed_api_key=half),
        pair_answer(1, **of_pair, sealed_api_key=half),
    ):
        with pytest.raises(CannotOpen):
            open_release(one_time(1), exchanged)


def test_whole_credentials_beside_an_api_key_of_its_own_are_refused() -> None:
    """Neither of the two API keys has a claim to be the right one."""
    master = MasterPrivateKey(1, raw(MASTER["master_seed"]))
    binding, sealer = PARTS["private_half"], Sealer(master.public)
    recipient = one_time(1)

    def released(sealed: Sealed, of: Binding) -> dict[str, str]:
        data_key = Releaser({1: master}).release(
            sealed_data_key=sealed.sealed_data_key,
            master_key_version=1,
            binding=of,
            bot_id=BOT_ID,
            recipient=recipient.public,
        )
        texts = {"nonce": sealed.nonce, "ciphertext": sealed.ciphertext}
        return {
            "sealed_data_key": base64url.encode(data_key),
            **{name: base64url.encode(value) for name, value in texts.items()},
        }

    whole = sealer.seal(Credentials(Secret("typed"), Secret("typed")), binding)
    apart = sealer.seal_api_key(Secret("apart"), binding)
    answer = pair_answer(
        1, **released(whole, binding), sealed_api_key=released(apart, binding.of_api_key())
    )
    with pytest.raises(MalformedAnswer):
        open_release(recipient, answer)


def test_fingerprints_are_those_of_the_text() -> None:
    vector = VECTORS["fingerprints"]
    secret, place = raw(vector["hmac_key"]), (BOUND["exchange"], BOUND["environment"])
    key = SecretBytes(secret)
    exchange, environment = BINDING.exchange, BINDING.environment
    assert raw(vector["fingerprint"]) == hmac.digest(
        secret, by_hand("botkeys/fingerprint/1", *place, vector["api_key"]), "sha256"
    )
    assert raw(vector["fingerprint"]) == fingerprint(
        key, exchange, environment, Secret(vector["api_key"])
    )
    assert raw(vector["account_hash"]) == hmac.digest(
        secret, by_hand("botkeys/exchange-account/1", *place, vector["exchange_account"]), "sha256"
    )
    assert raw(vector["account_hash"]) == account_hash(
        key, exchange, environment, vector["exchange_account"]
    )


def test_masks_are_those_of_the_text() -> None:
    for vector in VECTORS["masks"]:
        assert mask(Secret(vector["api_key"])) == vector["mask"]


def test_the_token_is_read_alike_by_the_service_and_the_client() -> None:
    vector = VECTORS["token"]
    ids = (UUID(vector["account_id"]), UUID(vector["bot_id"]))
    theirs, ours = bot_tokens.parse(vector["token"]), parse_token(Secret(vector["token"]))
    assert (theirs.account_id, theirs.bot_id) == (ours.account_id, ours.bot_id) == ids


def test_the_document_shows_the_vectors_that_are_tested() -> None:
    text = (DOCS / "custody.md").read_text("utf-8")
    for shown in (SEAL["associated_data"], SEAL["nonce"], SEAL["ciphertext"], RELEASES[1]["info"]):
        assert shown in text
