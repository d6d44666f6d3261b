"""What an input form lets through is what the service does not refuse as malformed (rule R4).

Each value goes through the pattern, as a form would try it, and through what the service does.
"""

import json
import random
import re
import shutil
import string
import subprocess
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from app.domains.keys.credential_input import read_credentials
from app.domains.keys.errors import (
    CredentialsSwapped,
    MalformedCredentials,
    PassphraseRequired,
)
from app.domains.keys.schemas import CredentialsInput
from botkeys.exchanges.credential_forms import PRIVATE_KEY_EXCHANGES
from botkeys.exchanges.registry import EXCHANGES

FIELDS = [
    (exchange, field)
    for exchange, profile in EXCHANGES.items()
    for field in profile.credential_fields
]
IDS = [f"{exchange} {field.name}" for exchange, field in FIELDS]
KRAKEN_SECRET = "c2VjcmV0LXRlc3Qtc2VjcmV0LXRlc3Q="
GOOD = {"api_key": "k-test", "api_secret": "s-test", "api_passphrase": "p-test"}

VALUES = (
    *("k-test", "a", "abcd", "abcde", "ab==", "abc=", "abcd=", "ab=", "=", "c2VjcmV0", "a+/b"),
    *("", " ", "\n", "two words", "tab\tinside", "line\ninside", "nul\x00", "del\x7f", "e\x1bsc"),
    *("é", "ключ", "\U0001f511", "a\u00a0b", "a\u200bb", "\ud800", "a\\n", "a|b", "[a](b){c}"),
    *("a" * 128, "a" * 129, "a" * 256, "a" * 257, "a" * 512, "a" * 513, "a" * 516, "a" * 8192),
    *("master-abc", "Master-abc", "account-abc", "amaster-abc", "account-master-abc"),
    *("secret:pass", "secret:pass:word", "a:", ":b", ":", "a : b", "a:b c", "^$"),
    *("a" * 512 + ":" + "b" * 128, "a" * 513 + ":b", "a:" + "b" * 129),
    *("-----BEGIN", "-----BEGIN nothing", "M", "MC4CAQ", "-" * 40),
    *('"', "''", '""', "`", "a'b", "it's", '"quoted', 'quoted"', "\u201copen", "\u00ab\u00bb"),
)  # fmt: skip
AROUND = (
    *(("", ""), (" ", ""), ("", "\n"), ("\t ", "\r\n"), ("\u00a0", "\u2003"), ("\ufeff", "\u200b")),
    *(('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u2018", "\u2019")),
    *(("\u201e", "\u201c"), ("\u00ab", "\u00bb"), (' "', '" '), ("' ", " '"), ("\x1c", "\x85")),
    *(('"', "'"), ("\u201c", '"'), ('"', ""), ("", "'")),
)


def values() -> Iterator[str]:
    chance = random.Random(11)  # noqa: S311  # the same values each time
    for value in VALUES:
        quotes = set(value) & set("\"'`\u201c\u00ab\u00bb")
        for opening, closing in AROUND:
            # Quotes within quotes: the service removes both, a pattern one.
            if not (quotes and (opening + closing).strip()):
                yield f"{opening}{value}{closing}"
    letters = string.ascii_letters + string.digits + "+/=-_:"
    for _ in range(300):
        yield "".join(chance.choices(letters, k=chance.randint(1, 90)))
    for _ in range(100):
        yield "".join(chance.choices(f"{letters} \n\u00a0\u200bé", k=chance.randint(1, 12)))


def accepted(exchange: str, field: str, value: str) -> bool:
    """Return whether the service takes the value beside others that are right."""
    profile = EXCHANGES[exchange]
    sent = {**GOOD, "api_secret": KRAKEN_SECRET if exchange == "kraken" else "s-test"}
    if not profile.passphrase_required or (field == "api_secret" and ":" in value):
        del sent["api_passphrase"]
    try:
        read_credentials(CredentialsInput.model_validate({**sent, field: value}), profile)
    except CredentialsSwapped:
        # Each is well-formed, in the wrong place; but a private key is never an API key.
        return "-----BEGIN " not in value
    except (MalformedCredentials, PassphraseRequired, ValidationError):
        return False
    return True


def compared(exchange: str, field: str, matches: Callable[[str], bool]) -> None:
    for value in values():
        if field == "api_secret" and "-----BEGIN " in value and exchange in PRIVATE_KEY_EXCHANGES:
            continue
        assert matches(value) == accepted(exchange, field, value), (exchange, field, value)


@pytest.mark.parametrize(("exchange", "field"), FIELDS, ids=IDS)
def test_a_pattern_lets_through_what_the_service_takes(exchange: str, field: object) -> None:
    """Rule R4."""
    form = next(one for where, one in FIELDS if where == exchange and one is field)
    pattern = re.compile(form.pattern)
    compared(exchange, form.name, lambda value: pattern.fullmatch(value) is not None)


_SCRIPT = """
const {patterns, values} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = patterns.map((pattern) => {
  const [u, v] = ["u", "v"].map((flag) => new RegExp(`^(?:${pattern})$`, flag));
  return values.map((value) => [u.test(value), v.test(value)]);
});
console.log(JSON.stringify(found));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_a_browser_reads_the_patterns_alike() -> None:
    patterns = list(dict.fromkeys(field.pattern for _, field in FIELDS))
    tried = [value for value in values() if "\ud800" not in value]
    ran = subprocess.run(  # noqa: S603  # a constant program
        [str(shutil.which("node")), "-e", _SCRIPT],
        input=json.dumps({"patterns": patterns, "values": tried}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for pattern, answers in zip(patterns, json.loads(ran.stdout), strict=True):
        ours = re.compile(pattern)
        expected = [[ours.fullmatch(value) is not None] * 2 for value in tried]
        wrong = [value for value, a, b in zip(tried, answers, expected, strict=True) if a != b]
        assert not wrong, pattern


@pytest.mark.parametrize("exchange", sorted(PRIVATE_KEY_EXCHANGES))
def test_private_keys_pass_in_every_spelling_that_the_service_takes(exchange: str) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    body = pem.split("\n")[1]
    form = next(f for name, f in FIELDS if name == exchange and f.name == "api_secret")
    assert form.multiline
    for text in (
        pem,
        f"\n{pem}",
        f'"{pem}"',
        pem.replace("\n", "\\n"),
        pem.replace("\n", " "),
        body,
    ):
        assert re.fullmatch(form.pattern, text), text[:20]


@pytest.mark.parametrize(("exchange", "field"), FIELDS, ids=IDS)
def test_a_placeholder_has_the_form_and_looks_like_no_key(exchange: str, field: object) -> None:
    form = next(one for where, one in FIELDS if where == exchange and one is field)
    assert re.fullmatch(form.pattern, form.placeholder)
    assert form.min_length <= len(form.placeholder) <= form.max_length
    assert set(form.placeholder.removeprefix("account-")) <= set("x-=")
