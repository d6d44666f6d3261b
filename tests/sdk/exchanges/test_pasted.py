"""Credentials as people paste them."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.simulator import credentials as simulated_credentials
from botkeys.exchanges.credential_format import malformed, takes_private_keys
from botkeys.exchanges.model import Credentials
from botkeys.exchanges.pasted import (
    Adjustment,
    Change,
    swapped,
    tidied,
    with_pem_lines,
    without_surroundings,
)
from botkeys.exchanges.pem import private_key
from botkeys.exchanges.registry import EXCHANGES
from botkeys.sealing.secret import Secret

EDWARDS = Ed25519PrivateKey.generate()
RSA = generate_rsa(public_exponent=65537, key_size=2048)
PKCS8 = PrivateFormat.PKCS8
TRADITIONAL = PrivateFormat.TraditionalOpenSSL


def bare(key: object, form: PrivateFormat = PKCS8) -> str:
    """Return the base64 between the PEM lines, without line ends."""
    der: bytes = key.private_bytes(Encoding.DER, form, NoEncryption())  # type: ignore[attr-defined]
    return base64.b64encode(der).decode()


def wrapped(text: str) -> str:
    return "\r\n".join(text[at : at + 64] for at in range(0, len(text), 64)) + "\r\n"


def of(exchange: str, environment: str = "live", variant: str = "trade") -> tuple[str, str]:
    texts = simulated_credentials()[exchange][environment][variant]
    return texts["api_key"], texts["api_secret"]


def boxed(key: str, secret: str, passphrase: str | None = None) -> Credentials:
    return Credentials(
        Secret(key), Secret(secret), None if passphrase is None else Secret(passphrase)
    )


@pytest.mark.parametrize(
    ("pasted", "changes"),
    [
        ("s3cret", []),
        (" s3cret", [Change.WHITE_SPACE]),
        ("s3cret\n", [Change.WHITE_SPACE]),
        ("\r\n\ts3cret\u00a0\u200b", [Change.WHITE_SPACE]),
        ("\ufeffs3cret", [Change.WHITE_SPACE]),
        ('"s3cret"', [Change.QUOTES]),
        ("'s3cret'", [Change.QUOTES]),
        ("`s3cret`", [Change.QUOTES]),
        ("\u201cs3cret\u201d", [Change.QUOTES]),
        (' "s3cret"\n', [Change.QUOTES]),
        ('"s3cret\n"', [Change.QUOTES, Change.WHITE_SPACE]),
        ("'\"s3cret\"'", [Change.QUOTES]),
    ],
)
def test_what_surrounds_a_value_is_removed_and_stated(pasted: str, changes: list[Change]) -> None:
    text, adjusted = without_surroundings("api_secret", pasted)
    assert text == "s3cret"
    assert list(adjusted) == [Adjustment("api_secret", change) for change in changes]
    assert all("s3cret" not in str(change) for change in adjusted)


@pytest.mark.parametrize("pasted", ['"s3cret', "s3 cret", "s3\ncret", "s3'cret'", "'", "\"s3cret'"])
def test_what_is_inside_of_a_value_stays(pasted: str) -> None:
    assert without_surroundings("api_key", pasted) == (pasted, ())


@pytest.mark.parametrize("pasted", ["", " ", '""', '" "', "\n"])
def test_nothing_in_quotes_is_nothing(pasted: str) -> None:
    assert without_surroundings("api_key", pasted)[0] == ""


@pytest.mark.parametrize("key", [EDWARDS, RSA], ids=["Ed25519", "RSA"])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL], ids=["PKCS8", "traditional"])
def test_a_private_key_without_its_pem_lines_gets_them(key: object, form: PrivateFormat) -> None:
    if key is EDWARDS and form is TRADITIONAL:
        pytest.skip("there is no such form")
    for pasted in (bare(key, form), wrapped(bare(key, form)), f'"{bare(key, form)}"'):
        given = boxed("k-test", pasted)
        found, adjusted = tidied(given, takes_pem=True)
        assert Adjustment("api_secret", Change.PEM_LINES) in adjusted
        proven = private_key(found.api_secret.reveal())
        assert bare(proven) == bare(key)
        assert malformed("binance", found) is None


@pytest.mark.parametrize("key", [EDWARDS, RSA], ids=["Ed25519", "RSA"])
@pytest.mark.parametrize("end", ["\\n", "\\r\\n", " "], ids=["\\n", "\\r\\n", "space"])
def test_a_private_key_gets_back_line_ends_that_a_setting_or_a_field_replaced(
    key: Any, end: str
) -> None:
    text = key.private_bytes(Encoding.PEM, PKCS8, NoEncryption()).decode()
    for pasted in (text.strip().replace("\n", end), f'"{text.replace(chr(10), end)}"'):
        found, adjusted = tidied(boxed("k-test", pasted), takes_pem=True)
        assert Adjustment("api_secret", Change.LINE_ENDS) in adjusted
        assert bare(private_key(found.api_secret.reveal())) == bare(key)
        assert malformed("binance", found) is None


def test_pem_text_with_its_line_ends_stays_as_it_is() -> None:
    text = EDWARDS.private_bytes(Encoding.PEM, PKCS8, NoEncryption()).decode()
    for given in (text, text.replace("\n", "\r\n"), text.strip()):
        found, adjusted = tidied(boxed("k-test", given), takes_pem=True)
        assert (found.api_secret.reveal(), adjusted) == (given, ())


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_secrets_that_are_not_private_keys_stay_as_they_are(exchange: str) -> None:
    for environment in ("live", "testnet"):
        given = boxed(*of(exchange, environment))
        found, adjusted = tidied(given, takes_pem=takes_private_keys(exchange))
        assert adjusted == ()
        assert found.api_secret.reveal() == given.api_secret.reveal()
        assert with_pem_lines(given.api_secret.reveal()) is None


@pytest.mark.parametrize("exchange", [name for name in EXCHANGES if not takes_private_keys(name)])
def test_a_private_key_is_named_where_the_exchange_uses_none(exchange: str) -> None:
    passphrase = "p" if EXCHANGES[exchange].passphrase_required else None
    given = boxed(of(exchange)[0], bare(EDWARDS), passphrase)
    found, adjusted = tidied(given, takes_pem=False)
    assert adjusted == ()
    assert "is a private key" in (malformed(exchange, found) or "")


def test_a_passphrase_keeps_the_quotes_that_may_be_part_of_it() -> None:
    found, adjusted = tidied(boxed("k", "s", ' "p"\n'), takes_pem=False)
    assert found.api_passphrase is not None
    assert found.api_passphrase.reveal() == '"p"'
    assert adjusted == (Adjustment("api_passphrase", Change.WHITE_SPACE),)


ALIKE = {"binance"}  # 64 letters and digits, both of them


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("environment", ["live", "testnet"])
def test_key_and_secret_in_each_others_place_are_recognized_by_their_forms(
    exchange: str, environment: str
) -> None:
    for variant in simulated_credentials()[exchange][environment]:
        key, secret = of(exchange, environment, variant)
        assert not swapped(exchange, boxed(key, secret)), variant
        assert swapped(exchange, boxed(secret, key)) is (exchange not in ALIKE)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_private_key_in_the_place_of_the_api_key_is_recognized(exchange: str) -> None:
    assert swapped(exchange, boxed(bare(EDWARDS), "k-test"))


def test_two_secrets_of_kraken_are_not_called_swapped() -> None:
    secret = base64.b64encode(bytes(64)).decode()
    assert not swapped("kraken", boxed(secret, secret))
