import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.errors import (
    AccountHeaderMalformed,
    AccountHeaderRequired,
    ActAsNotAllowed,
    MissingScope,
    TokenFault,
    Unauthenticated,
)
from app.auth.key_sets import FixedKeys
from app.auth.scopes import Scope
from app.auth.verifier import TokenVerifier
from tests.auth.conftest import (
    AUDIENCE,
    ISSUER,
    NOW,
    Clock,
    SigningKey,
    claims,
    ec_key,
    make_verifier,
    sign,
    sign_bytes,
)


async def fault_of(verifier: TokenVerifier, token: str | bytes) -> TokenFault:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(token)
    return refusal.value.fault


async def test_a_good_token_names_the_account_and_its_scopes(
    verifier: TokenVerifier, key: ECKey
) -> None:
    token = sign(key, claims(scope="keys:read bots:write openid profile", jti="token-1"))
    found = verifier.principal(await verifier.verify(token), None)
    assert found.account_id == uuid5(uuid5(NAMESPACE_URL, ISSUER), "alice")
    assert found.scopes == {Scope.KEYS_READ, Scope.BOTS_WRITE}
    assert (found.issuer, found.subject, found.token_id) == (ISSUER, "alice", "token-1")
    assert found.issued_at == datetime.fromtimestamp(NOW, UTC)
    assert (found.actor, found.acting_service) == ("user", None)


async def test_a_token_as_bytes_is_the_same_token(verifier: TokenVerifier, key: ECKey) -> None:
    token = sign(key, claims())
    assert await verifier.verify(token.encode()) == await verifier.verify(token)


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES384", "ES512", "EdDSA", "Ed25519"])
async def test_every_allowed_algorithm_is_checked(algorithm: str, clock: Clock) -> None:
    kinds: dict[str, SigningKey] = {
        "RS256": RSAKey.generate_key(2048),
        "PS512": RSAKey.generate_key(2048),
        "ES384": ECKey.generate_key("P-384"),
        "ES512": ECKey.generate_key("P-521"),
        "EdDSA": OKPKey.generate_key("Ed25519"),
        "Ed25519": OKPKey.generate_key("Ed25519"),
    }
    signer = kinds[algorithm]
    token = sign_plainly(signer, algorithm)
    verifier = make_verifier([signer], clock, (algorithm,))
    assert (await verifier.verify(token)).subject == "alice"
    head, body, signature = token.split(".")
    for changed in (signature[::-1].replace(signature[0], "A"), "", signature[:8]):
        assert await fault_of(verifier, f"{head}.{body}.{changed}") is TokenFault.BAD_SIGNATURE


def sign_plainly(signer: SigningKey, algorithm: str) -> str:
    if algorithm != "EdDSA":
        return sign(signer, claims(), algorithm=algorithm)
    with pytest.warns(match="RFC 9864"):
        return sign(signer, claims(), algorithm=algorithm)


@pytest.mark.parametrize(
    ("age", "fault"),
    [
        (0, None),
        (299, None),
        (329, None),
        (330, TokenFault.EXPIRED),
        (100_000, TokenFault.EXPIRED),
        (-30, None),
        (-31, TokenFault.NOT_YET_VALID),
    ],
)
async def test_a_token_lives_from_its_issue_to_its_expiry_with_the_leeway(
    verifier: TokenVerifier, key: ECKey, clock: Clock, age: float, fault: TokenFault | None
) -> None:
    token = sign(key, claims())
    clock.advance(age)
    if fault is None:
        assert (await verifier.verify(token)).expires_at == NOW + 300
    else:
        assert await fault_of(verifier, token) is fault


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"exp": None}, TokenFault.NO_EXPIRY),
        ({"exp": str(NOW + 300)}, TokenFault.MALFORMED),
        ({"exp": True}, TokenFault.MALFORMED),
        ({"exp": (NOW + 300) * 1000}, TokenFault.MALFORMED),
        ({"exp": 10**400}, TokenFault.MALFORMED),
        ({"exp": -1}, TokenFault.MALFORMED),
        ({"exp": [NOW]}, TokenFault.MALFORMED),
        ({"iat": -1e300}, TokenFault.MALFORMED),
        ({"iat": "yesterday"}, TokenFault.MALFORMED),
        ({"iat": True}, TokenFault.MALFORMED),
        ({"jti": 7}, TokenFault.MALFORMED),
        ({"nbf": NOW + 31}, TokenFault.NOT_YET_VALID),
        ({"nbf": {}}, TokenFault.MALFORMED),
        ({"iss": None}, TokenFault.WRONG_ISSUER),
        ({"iss": ISSUER + "/"}, TokenFault.WRONG_ISSUER),
        ({"iss": ISSUER.upper()}, TokenFault.WRONG_ISSUER),
        ({"iss": [ISSUER]}, TokenFault.WRONG_ISSUER),
        ({"aud": None}, TokenFault.WRONG_AUDIENCE),
        ({"aud": ""}, TokenFault.WRONG_AUDIENCE),
        ({"aud": []}, TokenFault.WRONG_AUDIENCE),
        ({"aud": "botkeys2"}, TokenFault.WRONG_AUDIENCE),
        ({"aud": "other botkeys"}, TokenFault.WRONG_AUDIENCE),
        ({"aud": ["other", "botkeys-staging"]}, TokenFault.WRONG_AUDIENCE),
        ({"aud": ["botkeys", 1]}, TokenFault.WRONG_AUDIENCE),
        ({"aud": {"botkeys": True}}, TokenFault.WRONG_AUDIENCE),
        ({"aud": None, "iss": None}, TokenFault.WRONG_ISSUER),
        ({"sub": None}, TokenFault.NO_ACCOUNT),
        ({"sub": ""}, TokenFault.NO_ACCOUNT),
        ({"sub": 7}, TokenFault.NO_ACCOUNT),
        ({"sub": ["alice"]}, TokenFault.NO_ACCOUNT),
        ({"sub": "x" * 256}, TokenFault.NO_ACCOUNT),
        ({"sub": "al\x00ice"}, TokenFault.NO_ACCOUNT),
        ({"sub": "al\nice"}, TokenFault.NO_ACCOUNT),
        ({"sub": "al\u202eice"}, TokenFault.NO_ACCOUNT),
        ({"sub": "alice "}, TokenFault.NO_ACCOUNT),
        ({"scope": 5}, TokenFault.MALFORMED),
        ({"scope": ["keys:read", 5]}, TokenFault.MALFORMED),
        ({"scope": None, "scp": {"keys:read": True}}, TokenFault.MALFORMED),
    ],
)
async def test_a_claim_that_does_not_hold_is_refused_with_its_reason(
    verifier: TokenVerifier, key: ECKey, changes: dict[str, Any], fault: TokenFault
) -> None:
    assert await fault_of(verifier, sign(key, claims(**changes))) is fault


@pytest.mark.parametrize("token_id", ["", "x" * 256, "a\x00b"])
async def test_a_token_id_that_cannot_be_shown_is_left_out(
    verifier: TokenVerifier, key: ECKey, token_id: str
) -> None:
    assert (await verifier.verify(sign(key, claims(jti=token_id)))).token_id is None


async def test_a_token_that_names_no_key_is_tried_with_each(clock: Clock) -> None:
    keys = [ec_key(None) for _ in range(3)]
    verifier = make_verifier(keys, clock)
    for each in keys:
        assert (await verifier.verify(sign(each, claims()))).subject == "alice"
    assert await fault_of(verifier, sign(ec_key(None), claims())) is TokenFault.BAD_SIGNATURE


async def test_a_lone_surrogate_names_no_account(verifier: TokenVerifier, key: ECKey) -> None:
    payload = json.dumps(claims(sub="al\ud800ice")).encode()
    assert await fault_of(verifier, sign_bytes(key, payload)) is TokenFault.NO_ACCOUNT


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
async def test_the_audience_may_be_a_text_or_a_list(
    verifier: TokenVerifier, key: ECKey, audience: Any
) -> None:
    assert (await verifier.verify(sign(key, claims(aud=audience)))).subject == "alice"


@pytest.mark.parametrize("name", ["alice", "auth0|5f7c", "Ælfrēd", "王", "a b", "x" * 255])
async def test_an_account_may_have_any_visible_name(
    verifier: TokenVerifier, key: ECKey, name: str
) -> None:
    assert (await verifier.verify(sign(key, claims(sub=name)))).subject == name


@pytest.mark.parametrize(
    ("setting", "payload", "account"),
    [
        ("account", {"account": "a1"}, "a1"),
        ("https://example.com/account", {"https://example.com/account": "a2"}, "a2"),
        ("app.account", {"app": {"account": "wrong"}}, None),
        ("app.account", {"app.account": "a3"}, "a3"),
        ("/app/account", {"app": {"account": "a4"}}, "a4"),
        ("/app/a~1b~0c", {"app": {"a/b~c": "a5"}}, "a5"),
        ("/app/account", {"app": "account"}, None),
        ("/app/account", {"/app/account": "wrong"}, None),
        ("account", {}, None),
    ],
)
async def test_the_account_claim_is_a_name_at_the_top_or_a_json_pointer(
    key: ECKey, clock: Clock, setting: str, payload: dict[str, Any], account: str | None
) -> None:
    verifier = make_verifier([key], clock, account_claim=setting)
    token = sign(key, claims(**payload))
    if account is None:
        assert await fault_of(verifier, token) is TokenFault.NO_ACCOUNT
    else:
        assert (await verifier.verify(token)).subject == account


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "keys:read data:delete"}, {"keys:read", "data:delete"}),
        ({"scope": ["keys:read", "audit:read"]}, {"keys:read", "audit:read"}),
        ({"scope": None, "scp": "bots:read"}, {"bots:read"}),
        ({"scope": None, "scp": ["bots:read", "x"]}, {"bots:read"}),
        ({"scope": "keys:read", "scp": "account:admin"}, {"keys:read"}),
        ({"scope": ""}, set()),
        ({"scope": None}, set()),
        ({"scope": "KEYS:READ keys:rea keys:read\tbots:read"}, set()),
    ],
)
async def test_scopes_are_read_in_every_form_that_issuers_use(
    verifier: TokenVerifier, key: ECKey, changes: dict[str, Any], scopes: set[str]
) -> None:
    assert (await verifier.verify(sign(key, claims(**changes)))).scopes == scopes


async def test_a_service_acts_for_the_account_it_names(verifier: TokenVerifier, key: ECKey) -> None:
    token = sign(key, claims(sub="billing", scope="act_as keys:read"))
    found = verifier.principal(await verifier.verify(token), "alice")
    assert found.account_id == uuid5(uuid5(NAMESPACE_URL, ISSUER), "alice")
    assert (found.subject, found.actor, found.acting_service) == ("alice", "service", "billing")


async def test_a_service_needs_no_account_of_its_own(key: ECKey, clock: Clock) -> None:
    verifier = make_verifier([key], clock, account_claim="tenant")
    token = sign(key, claims(sub=None, client_id="billing", scope="act_as"))
    assert verifier.principal(await verifier.verify(token), "alice").acting_service == "billing"
    nameless = sign(key, claims(sub=None, scope="act_as"))
    assert await fault_of(verifier, nameless) is TokenFault.NO_ACCOUNT


async def test_a_user_may_not_name_an_account_not_even_the_own_one(
    verifier: TokenVerifier, key: ECKey
) -> None:
    found = await verifier.verify(sign(key, claims()))
    for name in ("alice", "bob", ""):
        with pytest.raises(ActAsNotAllowed) as refusal:
            verifier.principal(found, name)
        assert refusal.value.members == {"required": "act_as"}
        assert (refusal.value.status, refusal.value.code) == (403, "missing_scope")


async def test_a_service_must_name_an_account_that_can_be(
    verifier: TokenVerifier, key: ECKey
) -> None:
    found = await verifier.verify(sign(key, claims(scope="act_as")))
    with pytest.raises(AccountHeaderRequired) as refusal:
        verifier.principal(found, None)
    assert (refusal.value.status, refusal.value.code) == (400, "account_header_required")
    for name in ("", " ", "a\x00", "x" * 256):
        with pytest.raises(AccountHeaderMalformed):
            verifier.principal(found, name)


async def test_a_principal_tells_every_scope_it_lacks(verifier: TokenVerifier, key: ECKey) -> None:
    found = verifier.principal(await verifier.verify(sign(key, claims())), None)
    found.require(Scope.KEYS_READ)
    with pytest.raises(MissingScope) as refusal:
        found.require(Scope.KEYS_READ, Scope.KEYS_WRITE, Scope.DATA_DELETE)
    assert refusal.value.members == {"required": "data:delete keys:write"}
    assert 'error="insufficient_scope"' in refusal.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("ES256", "HS512"), ("A",)])
def test_only_asymmetric_algorithms_can_be_configured(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        TokenVerifier(ISSUER, AUDIENCE, algorithms, FixedKeys([]))


@pytest.mark.parametrize(("issuer", "audience"), [("", "a"), ("i", "")])
def test_an_issuer_and_an_audience_must_be_configured(issuer: str, audience: str) -> None:
    with pytest.raises(ValueError, match="required"):
        TokenVerifier(issuer, audience, ["ES256"], FixedKeys([]))


async def test_many_tokens_at_once_keep_to_their_accounts(
    verifier: TokenVerifier, key: ECKey
) -> None:
    names = [f"account-{number}" for number in range(20)]
    found = await asyncio.gather(*(verifier.verify(sign(key, claims(sub=n))) for n in names))
    assert [each.subject for each in found] == names


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": NOW + 3600}, True),
        ({"exp": NOW + 3630}, True),
        ({"exp": NOW + 3631}, False),
        ({"exp": NOW + 1800, "iat": NOW - 1900}, False),
        ({"exp": NOW + 3600, "iat": None}, True),
        ({"exp": NOW + 3700, "iat": None}, False),
    ],
)
async def test_a_token_that_lives_longer_than_permitted_is_refused(
    key: ECKey, clock: Clock, changes: dict[str, Any], *, accepted: bool
) -> None:
    verifier = make_verifier([key], clock, longest_life=3600)
    token = sign(key, claims(**changes))
    if accepted:
        assert await verifier.verify(token)
    else:
        assert await fault_of(verifier, token) is TokenFault.LIVES_TOO_LONG
