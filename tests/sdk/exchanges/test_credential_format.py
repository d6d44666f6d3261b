import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from botkeys.exchanges.credential_format import malformed
from botkeys.exchanges.model import Credentials
from botkeys.exchanges.registry import EXCHANGES
from botkeys.sealing.secret import Secret

EDWARDS = Ed25519PrivateKey.generate()
KRAKEN_SECRET = "c2VjcmV0LXRlc3Qtc2VjcmV0LXRlc3Q="


def fault(
    exchange: str, key: str = "k-test", secret: str = "s-test", passphrase: str | None = None
) -> str | None:
    boxed = None if passphrase is None else Secret(passphrase)
    return malformed(exchange, Credentials(Secret(key), Secret(secret), boxed))


def pem(key: Ed25519PrivateKey = EDWARDS, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_ordinary_credentials_are_well_formed(exchange: str) -> None:
    secret = KRAKEN_SECRET if exchange == "kraken" else "s-test+/=!:"
    passphrase = "p!@#" if EXCHANGES[exchange].passphrase_required else None
    assert fault(exchange, secret=secret, passphrase=passphrase) is None


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("planted text", "white space"),
        ("planted\n", "white space"),
        ("\tplanted", "white space"),
        ("planted\x00", "control"),
        ("planted\x7f", "control"),
        ("planted\u00a0", "non-ASCII"),
        ("plantéd", "non-ASCII"),
        ("planted\ud800", "non-ASCII"),
        ("planted" * 100, "longer than"),
    ],
)
def test_what_cannot_be_right_is_named_by_field_and_never_repeated(
    exchange: str, text: str, sentence: str
) -> None:
    for field, message in (
        ("api_key", fault(exchange, key=text)),
        ("api_secret", fault(exchange, secret=text)),
        ("api_passphrase", fault("okx", passphrase=text)),
    ):
        assert message is not None
        assert message.startswith(field)
        assert sentence in message
        assert "plant" not in message


def test_a_kraken_secret_is_base64() -> None:
    """Rule R4."""
    assert fault("kraken", secret=KRAKEN_SECRET) is None
    for secret in ("not-base64!", KRAKEN_SECRET[:-1], "c2Vj*mV0"):
        assert "base64" in (fault("kraken", secret=secret) or "")


def test_a_key_of_a_group_of_accounts_is_refused_where_such_keys_exist() -> None:
    keys = Credentials(Secret("master-planted"), Secret("s"))
    stated = malformed("gemini", keys)
    assert stated is not None
    assert "group of accounts" in stated
    assert "planted" not in stated
    assert malformed("gemini", Credentials(Secret("account-planted"), Secret("s"))) is None
    assert malformed("okx", Credentials(Secret("master-k"), Secret("s"), Secret("p"))) is None


def test_a_passphrase_where_there_is_none_is_refused() -> None:
    """Rule R3."""
    assert "does not use a passphrase" in (fault("binance", passphrase="p") or "")


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_pem_secret_is_taken_where_the_exchange_takes_that_kind(exchange: str) -> None:
    rsa = generate_rsa(public_exponent=65537, key_size=2048)
    text = rsa.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()
    assert (fault(exchange, secret=text) is None) == (exchange in {"binance", "bybit", "deribit"})
    assert (fault(exchange, secret=pem()) is None) == (exchange in {"binance", "deribit"})


def test_line_breaks_that_a_form_or_a_system_changed_do_no_harm() -> None:
    assert fault("binance", secret=pem().replace("\n", " ")) is None
    assert fault("binance", secret=pem().replace("\n", "\r\n")) is None
    assert fault("binance", secret="\n" + pem() + "\n\n") is None


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        (pem().replace("-----END", ""), "not a readable PEM"),
        (pem()[:60], "not a readable PEM"),
        (pem(password=b"secret"), "protected by a password"),
        (
            EDWARDS.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "not a readable PEM private key",
        ),
        (
            generate_ec(SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "a type that exchanges do not accept",
        ),
        (
            generate_rsa(public_exponent=65537, key_size=1024)  # noqa: S505  # what is refused
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "fewer than 2048 bits",
        ),
        (pem() + "x" * 5_000, "longer than 4096"),
        (pem() + "é", "non-ASCII"),
    ],
    ids=[
        "without end",
        "cut",
        "encrypted",
        "public",
        "other curve",
        "short RSA",
        "long",
        "accented",
    ],
)
def test_a_pem_that_cannot_sign_is_explained(secret: str, sentence: str) -> None:
    message = fault("binance", secret=secret)
    assert message is not None
    assert sentence in message
    assert secret[40:60] not in message
