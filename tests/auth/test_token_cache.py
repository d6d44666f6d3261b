"""A verified token is not verified again, and never outlives what made it valid."""

from collections.abc import Sequence

import pytest
from joserfc.jwk import ECKey

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.key_sets import VerificationKey, matching
from app.auth.token_cache import VerifiedToken, VerifiedTokens
from app.auth.verifier import TokenVerifier
from tests.auth.conftest import AUDIENCE, ISSUER, Clock, claims, ec_key, public, sign


class CountingKey(ECKey):
    """Counts the signatures it has checked."""

    checks = 0

    def check_use(self, use: str) -> None:
        self.checks += 1
        super().check_use(use)


class ChangingKeys:
    def __init__(self, *keys: VerificationKey) -> None:
        self.keys = keys

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        return matching(self.keys, kid, algorithm)

    async def refresh(self) -> bool:
        return False

    def undecided(self) -> None:
        return None

    async def reached(self) -> bool:
        return True


@pytest.fixture
def published(key: ECKey) -> CountingKey:
    return CountingKey.import_key(public(key)[0])


@pytest.fixture
def source(published: CountingKey) -> ChangingKeys:
    return ChangingKeys(published)


@pytest.fixture
def checked(source: ChangingKeys, clock: Clock) -> TokenVerifier:
    return TokenVerifier(ISSUER, AUDIENCE, ["ES256"], source, clock=clock)


async def fault_of(verifier: TokenVerifier, token: str) -> TokenFault:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(token)
    return refusal.value.fault


async def test_a_token_used_again_is_not_checked_again(
    checked: TokenVerifier, published: CountingKey, key: ECKey
) -> None:
    token = sign(key, claims())
    first = await checked.verify(token)
    checks = published.checks
    assert checks > 0
    assert await checked.verify(token.encode()) == first
    assert published.checks == checks
    assert await checked.verify(sign(key, claims(sub="bob"))) != first
    assert published.checks > checks


async def test_a_remembered_token_expires_all_the_same(
    checked: TokenVerifier, key: ECKey, clock: Clock
) -> None:
    token = sign(key, claims())
    await checked.verify(token)
    clock.advance(329)
    assert await checked.verify(token)
    clock.advance(1)
    assert await fault_of(checked, token) is TokenFault.EXPIRED


async def test_a_remembered_token_is_not_valid_before_its_time(
    checked: TokenVerifier, key: ECKey, clock: Clock
) -> None:
    token = sign(key, claims(iat=None, nbf=clock()))
    await checked.verify(token)
    clock.advance(-31)
    assert await fault_of(checked, token) is TokenFault.NOT_YET_VALID


async def test_a_remembered_token_falls_with_its_key(
    checked: TokenVerifier, source: ChangingKeys, key: ECKey
) -> None:
    token = sign(key, claims())
    await checked.verify(token)
    source.keys = (ec_key("one"),)
    assert await fault_of(checked, token) is TokenFault.BAD_SIGNATURE
    source.keys = ()
    assert await fault_of(checked, token) is TokenFault.UNKNOWN_KEY


async def test_a_remembered_token_outlives_a_refetch_of_the_same_key(
    checked: TokenVerifier, source: ChangingKeys, key: ECKey
) -> None:
    token = sign(key, claims())
    await checked.verify(token)
    again = CountingKey.import_key(public(key)[0])
    source.keys = (again,)
    assert await checked.verify(token)
    assert again.checks == 0


async def test_a_change_of_one_character_is_another_token(
    checked: TokenVerifier, key: ECKey
) -> None:
    token = sign(key, claims())
    await checked.verify(token)
    head, body, signature = token.split(".")
    other = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert await fault_of(checked, f"{head}.{body}.{other}") is TokenFault.BAD_SIGNATURE


async def test_the_token_used_longest_ago_is_forgotten_first(
    checked: TokenVerifier, key: ECKey
) -> None:
    one = VerifiedToken(await checked.verify(sign(key, claims())), key, "one", "ES256")
    tokens = VerifiedTokens(capacity=2)
    tokens.remember(b"a", one)
    tokens.remember(b"b", one)
    assert tokens.get(b"a") is one
    tokens.remember(b"c", one)
    assert tokens.get(b"b") is None
    assert tokens.get(b"a") is one
    assert tokens.get(b"c") is one
    assert b"a" not in tokens._by_digest
