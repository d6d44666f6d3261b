"""The role `api` is taken over together with the database: what it holds opens nothing.

The attacker has the process's settings, key files, memory and login, and in addition the
superuser's write access to every table, with triggers and foreign keys switched off.
"""

import base64
import gc
import types
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from sqlalchemy import select, text

from app.auth.development_issuer import DevelopmentIssuer
from app.custody.bot_token import mint, token_hash
from app.custody.keyfiles import KeyKind
from app.custody.keyring import ReleasingKeyring
from app.custody.master_key import MasterPrivateKey
from app.custody.master_keys.rotation import counts_by_version, reseal_batch
from app.custody.release import Releaser
from app.db.models import KeyCredential
from app.settings import Role
from botkeys.client import CannotOpen, MalformedAnswer, OlderVersion, Refused
from botkeys.client.models import ReleaseAnswer, parse_answer
from botkeys.client.unsealing import open_release
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PrivateKey, SuiteName
from tests.support.browsers import browser, signed_in_at
from tests.support.split import Split
from tests.support.world import Bot, Json

OPENING = (
    MasterPrivateKey,
    PrivateKey,
    Releaser,
    ReleasingKeyring,
    X25519PrivateKey,
    MLKEM768PrivateKey,
    MLKEM768X25519PrivateKey,
    DevelopmentIssuer,
)
CODE = (type, types.ModuleType, types.FunctionType, types.FrameType, types.CodeType)


def reachable(*roots: object) -> list[object]:
    """Return all objects that can be reached from these, without code."""
    found: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in found or isinstance(item, CODE):
            continue
        found[id(item)] = item
        waiting.extend(gc.get_referents(item))
    return list(found.values())


def bytes_in(objects: list[object]) -> list[bytes]:
    return [bytes(item) for item in objects if isinstance(item, bytes | bytearray)]


def texts_in(objects: list[object]) -> list[str]:
    return [item for item in objects if isinstance(item, str)]


async def release(bot: Bot) -> tuple[httpx.Response, PrivateKey]:
    one_time = PrivateKey.generate(SuiteName.X25519)
    public = base64.urlsafe_b64encode(one_time.public.raw).rstrip(b"=").decode()
    body = {"suite": "x25519", "public_key": public}
    return await bot.post("/v1/runtime/credentials", body), one_time


async def opened(bot: Bot) -> str:
    """Return the api_secret that the bot gets, or the problem's code, or `shut`."""
    answer, one_time = await release(bot)
    if answer.status_code != 200:
        assert answer.status_code in {401, 409, 503}, answer.text
        return str(answer.json()["code"])
    try:
        return open_release(
            one_time, parse_answer(ReleaseAnswer, answer.content)
        ).api_secret.reveal()
    except CannotOpen:
        return "shut"


def secret_of(key: Json) -> str:
    return str(key["label"]).replace(" ", "").rjust(64, "s")


async def test_the_two_processes_do_the_whole_job_together(split: Split) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])

    assert await opened(bot) == secret_of(key)


async def test_neither_process_serves_the_other_s_routes(split: Split) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    user = split.user("alice")
    for path in (f"/v1/bots/{bot.id}/token", "/v1/runtime/credentials"):
        for token in (user.token, bot.token):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await split.api.http.post(path, json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    there = split.user("alice", Role.RUNTIME)
    for path in ("/v1/keys", f"/v1/keys/{key['id']}", "/v1/bots", "/v1/audit-events"):
        assert (await there.get(path)).status_code == 404
    assert (await there.post("/v1/keys", {})).status_code == 404


async def test_nothing_in_the_memory_of_api_opens_anything(split: Split) -> None:
    key = await split.add_key("alice", 1)
    held = reachable(split.api.context, split.api.app, vars(split.api.app))
    secret_bytes = {
        bytes(split.keys.read_secret(KeyKind.TOKEN_HMAC).reveal()),
        (split.keys.path / "master-0001.private").read_bytes().split(b"\n")[-2],
        (split.keys.path / "token-hmac").read_bytes().split(b"\n")[-2],
    }
    master = base64.urlsafe_b64decode(
        (split.keys.path / "master-0001.private").read_bytes().split(b"\n")[-2] + b"="
    )
    assert len(master) == 32

    assert not [item for item in held if isinstance(item, OPENING)]
    assert not [
        content
        for content in bytes_in(held)
        if master in content or any(secret in content for secret in secret_bytes)
    ]
    assert not [text for text in texts_in(held) if secret_of(key) in text]


async def test_the_walk_through_memory_finds_what_runtime_holds(split: Split) -> None:
    held = reachable(split.runtime.context)
    assert {MasterPrivateKey, PrivateKey, Releaser} <= {type(item) for item in held}
    token_key = bytes(split.keys.read_secret(KeyKind.TOKEN_HMAC).reveal())
    assert token_key in bytes_in(held)


async def test_a_token_made_with_all_that_api_holds_is_not_valid(split: Split) -> None:
    key = await split.add_key("alice", 1)
    victim = await split.add_bot("alice", key["id"])
    context = split.api.context
    assert context.api is not None
    known = [
        bytes(context.audit.reveal()),
        bytes(context.api.fingerprint.reveal()),
        split.keys.load_public_master_keys()[1].raw,
        split.keys.load_public_master_keys()[1].raw[:32],
        b"",
        bytes(32),
        *(path.read_bytes() for path in sorted(context.settings.keys_folder.iterdir())),
        *{content for content in bytes_in(reachable(context.api)) if len(content) == 32},
    ]
    assert len(known) >= 9
    for hmac_key in known:
        forged = mint(victim.account_id, victim.id).reveal()
        await split.write(
            "UPDATE bot_tokens SET token_hash = :hash WHERE bot_id = :bot",
            hash=token_hash(hmac_key, forged),
            bot=victim.id,
        )
        assert await opened(Bot(victim.http, forged)) == "unauthenticated"


@pytest.mark.parametrize("whose", ["alice", "mallory"])
async def test_the_hash_of_a_token_is_worth_nothing_at_another_bot(
    split: Split, whose: str
) -> None:
    """Move it from a bot of the same account, and from one of the attacker's."""
    key = await split.add_key("alice", 1)
    victim = await split.add_bot("alice", key["id"])
    own = await split.add_bot(whose)
    taken = await split.read("SELECT token_hash FROM bot_tokens WHERE bot_id = :own", own=own.id)
    await split.write(
        "UPDATE bot_tokens SET token_hash = :token_hash WHERE bot_id = :victim",
        victim=victim.id,
        **taken,
    )
    assert await opened(own) == "no_key"
    assert await opened(victim) == "unauthenticated"
    tampered = mint(
        victim.account_id, victim.id, lambda count: _random_part(own.token)[-count:]
    ).reveal()
    assert await opened(Bot(victim.http, tampered)) == "unauthenticated"

    await split.write("DELETE FROM bot_tokens WHERE bot_id = :own", own=own.id)
    assert await opened(own) == "unauthenticated"


async def test_a_session_made_with_all_that_api_holds_mints_no_token(split: Split) -> None:
    """Rule R79. The api can make up a session, but not that the person signed in."""
    bot = await split.add_bot("alice")
    api, page_url = split.api, split.api.context.settings.page_url
    lifetime = api.context.settings.dashboard_session_lifetime
    long_ago = datetime.now(UTC).timestamp() - 2 * lifetime
    forged = [
        None,
        "a.b.c",
        # Of the attacker's own account at the same issuer, of another issuer, and of long ago.
        split.issuer.token("mallory"),
        DevelopmentIssuer(split.keys.path / "another").token("alice"),
        split.issuer.token("alice", now=long_ago),
    ]
    for id_token in forged:
        page = await signed_in_at(api.app, api.context, split.superuser, "alice", id_token)
        assert (await page.get("/v1/bots")).status_code == 200
        at_runtime = browser(split.runtime.app, page_url)
        at_runtime.take(page.cookie)
        answer = await at_runtime.post(f"/v1/bots/{bot.id}/token")
        assert (answer.status_code, answer.json()["code"]) == (401, "session_expired")

    # What is stored opens for the person's own cookie, and for no other.
    mine = await signed_in_at(
        api.app, api.context, split.superuser, "alice", split.issuer.token("alice", "")
    )
    theirs = await signed_in_at(api.app, api.context, split.superuser, "alice", None)
    taken = await split.read(
        "SELECT evidence FROM dashboard_sessions WHERE id = :mine", mine=mine.session_id
    )
    await split.write(
        "UPDATE dashboard_sessions SET evidence = :evidence WHERE id = :theirs",
        theirs=theirs.session_id,
        **taken,
    )
    for page, status in ((theirs, 401), (mine, 201)):
        at_runtime = browser(split.runtime.app, page_url)
        at_runtime.take(page.cookie)
        answer = await at_runtime.post(f"/v1/bots/{bot.id}/token")
        assert answer.status_code == status, answer.text


def _random_part(token: str) -> bytes:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for character in token[4:90]:
        number = number * 62 + alphabet.index(character)
    return number.to_bytes(64, "big")


async def test_a_bot_s_row_moved_under_its_victim_s_name_does_not_release(split: Split) -> None:
    """Rewrite the rows of the attacker's own bot and token to be the victim's."""
    key = await split.add_key("alice", 1)
    victim = await split.add_bot("alice", key["id"])
    own = await split.add_bot("mallory")
    await split.write(
        "DELETE FROM bot_tokens WHERE bot_id = :victim",
        "DELETE FROM bots WHERE id = :victim",
        "UPDATE bots SET key_id = :key WHERE id = :own",
        victim=victim.id,
        own=own.id,
        key=UUID(key["id"]),
    )
    await split.move("bots", victim.account_id, "id = :own", own=own.id)
    await split.move("bot_tokens", victim.account_id, "bot_id = :own", own=own.id)
    assert await opened(own) == "unauthenticated"


@pytest.mark.parametrize("thief", ["alice", "mallory"])
async def test_credentials_copied_to_another_key_do_not_open(split: Split, thief: str) -> None:
    """Try it within the account, and in the attacker's with the attacker's bot and token."""
    theirs = await split.add_key("alice", 1)
    mine = await split.add_key(thief, 2)
    bot = await split.add_bot(thief, mine["id"])
    taken = await split.read(
        "SELECT ciphertext, nonce, sealed_data_key FROM key_credentials WHERE key_id = :theirs",
        theirs=UUID(theirs["id"]),
    )
    await split.write(
        "UPDATE key_credentials SET ciphertext = :ciphertext, nonce = :nonce,"
        " sealed_data_key = :sealed_data_key WHERE key_id = :mine",
        mine=UUID(mine["id"]),
        **taken,
    )

    assert await opened(bot) == "credentials_unreadable"


async def test_a_key_taken_over_with_its_rows_does_not_open(split: Split) -> None:
    """Key and credentials keep their ids, and get the attacker's account."""
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("mallory")
    key_id = UUID(key["id"])
    await split.move("keys", bot.account_id, "id = :key", key=key_id)
    await split.move("key_credentials", bot.account_id, "key_id = :key", key=key_id)
    await split.write("UPDATE bots SET key_id = :key WHERE id = :bot", key=key_id, bot=bot.id)
    assert await opened(bot) == "credentials_unreadable"


async def test_a_bot_that_names_another_account_s_key_has_none(split: Split) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("mallory")
    await split.write(
        "UPDATE bots SET key_id = :key WHERE id = :bot", key=UUID(key["id"]), bot=bot.id
    )
    assert await opened(bot) == "no_key"
    assert (await bot.get("/v1/runtime/config")).json()["blocked_by"][0] == "no_key"


ALTERED = {
    "another version": "UPDATE keys SET version = 2; UPDATE key_credentials SET version = 2",
    "another exchange": "UPDATE keys SET exchange = 'okx'",
    "an exchange that there is not": "UPDATE keys SET exchange = 'nowhere'",
    "another environment": "UPDATE keys SET environment = 'live'",
    "another master key": "UPDATE key_credentials SET master_key_version = 2",
    "no master key": "UPDATE key_credentials SET master_key_version = -1",
    "a cut data key": "UPDATE key_credentials SET sealed_data_key = "
    "substring(sealed_data_key FROM 1 FOR 1000)",
    "an empty data key": "UPDATE key_credentials SET sealed_data_key = ''",
    "a changed data key": "UPDATE key_credentials SET sealed_data_key = "
    "set_byte(sealed_data_key, 1167, get_byte(sealed_data_key, 1167) # 1)",
    "a changed encapsulation": "UPDATE key_credentials SET sealed_data_key = "
    "set_byte(sealed_data_key, 0, get_byte(sealed_data_key, 0) # 1)",
    "another ciphertext": "UPDATE key_credentials SET ciphertext = "
    "set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)",
    "an empty ciphertext": "UPDATE key_credentials SET ciphertext = ''",
    "another nonce": "UPDATE key_credentials SET nonce = "
    "set_byte(nonce, 0, get_byte(nonce, 0) # 1)",
}


@pytest.mark.parametrize("what", ALTERED)
async def test_credentials_under_another_name_or_altered_do_not_open(
    split: Split, what: str
) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    assert await opened(bot) == secret_of(key)

    await split.write(*ALTERED[what].split("; "))

    expected = {"shut"} if "ciphertext" in what or "nonce" in what else {"credentials_unreadable"}
    if "master" in what:
        expected = {"unavailable"}
    assert {await opened(bot)} == expected


@pytest.mark.parametrize("column", ["sealed_data_key", "ciphertext", "nonce"])
async def test_parts_of_two_keys_exchanged_do_not_open_at_their_bots(
    split: Split, column: str
) -> None:
    keys = [await split.add_key("alice", number) for number in (1, 2)]
    bots = [await split.add_bot("alice", key["id"]) for key in keys]
    await split.write(
        f"UPDATE key_credentials a SET {column} = b.{column} FROM key_credentials b "  # noqa: S608  # names of our own
        "WHERE a.account_id = b.account_id AND a.key_id <> b.key_id"
    )
    for bot in bots:
        assert await opened(bot) in {"shut", "credentials_unreadable"}


async def add_pair(split: Split, api_key: str) -> Json:
    user = split.user("alice")
    wanted = {
        "label": "pair",
        "exchange": "deribit",
        "environment": "testnet",
        "contract_type": "linear",
        "algorithm": "ed25519",
    }
    made = await user.post("/v1/keys/pairs", wanted)
    assert made.status_code == 201, made.text
    pair: Json = made.json()
    path = f"/v1/keys/{pair['key']['id']}/credentials"
    completed = await user.put(path, {"api_key": api_key})
    assert completed.status_code == 200, completed.text
    return pair


OF_PAIRS = {
    "its parts exchanged": (
        "UPDATE key_credentials SET version = 9 WHERE key_id = :one AND version = -1",
        "UPDATE key_credentials SET version = -1 WHERE key_id = :one AND version = 1",
        "UPDATE key_credentials SET version = 1 WHERE key_id = :one AND version = 9",
    ),
    "the other's API key": (
        "DELETE FROM key_credentials WHERE key_id = :one AND version < 0",
        "UPDATE key_credentials SET key_id = :one WHERE key_id = :other AND version < 0",
    ),
    "the other's private half": (
        "DELETE FROM key_credentials WHERE key_id = :one AND version > 0",
        "UPDATE key_credentials SET key_id = :one WHERE key_id = :other AND version > 0",
    ),
    "another master key": (
        "UPDATE key_credentials SET master_key_version = 2 WHERE key_id = :one AND version < 0",
    ),
}


@pytest.mark.parametrize("what", OF_PAIRS)
async def test_parts_of_key_pairs_that_were_moved_do_not_open(split: Split, what: str) -> None:
    """Rule R61."""
    one, other = await add_pair(split, "first"), await add_pair(split, "second")
    bot = await split.add_bot("alice", one["key"]["id"])
    assert "PRIVATE KEY" in await opened(bot)

    ids = {name: UUID(pair["key"]["id"]) for name, pair in (("one", one), ("other", other))}
    for statement in OF_PAIRS[what]:
        named = {name: value for name, value in ids.items() if f":{name}" in statement}
        await split.write(statement, **named)

    expected = "unavailable" if "master" in what else "credentials_unreadable"
    assert await opened(bot) == expected


async def test_a_key_pair_without_its_api_key_is_shown_as_what_it_is(split: Split) -> None:
    """Rule R61: nothing that only looks like credentials reaches a bot's code."""
    pair = await add_pair(split, "first")
    bot = await split.add_bot("alice", pair["key"]["id"])
    await split.write("DELETE FROM key_credentials WHERE version < 0")
    with pytest.raises(MalformedAnswer):
        await opened(bot)


async def test_both_parts_of_a_key_pair_are_resealed(split: Split) -> None:
    """Rule R61."""
    pair = await add_pair(split, "first")
    key_id = UUID(pair["key"]["id"])
    runtime = split.runtime.context.runtime
    assert runtime is not None
    held = runtime.releasing.releaser()._keys
    newer = MasterPrivateKey(2, bytes(range(32)))
    releaser = Releaser({**held, 2: newer})

    async with split.runtime.context.database.sessions.begin() as session:
        batch = await reseal_batch(session, releaser, 2, None)
        rows = (await session.execute(select(KeyCredential))).scalars().all()
        counts = await counts_by_version(session)

    assert (batch.resealed, batch.unopenable, counts) == (2, 0, {2: 2})
    for row in rows:
        binding = Binding(row.account_id, key_id, row.version, "deribit", Environment.TESTNET)
        assert len(newer.open(row.sealed_data_key, binding.data_key_info(2))) == 32
    assert sorted(row.version for row in rows) == [-1, 1]


async def test_runs_at_once_reseal_each_account_s_data_keys_once(split: Split) -> None:
    """A run leaves the rows to another that has locked them, and waits for none."""
    for number, name in enumerate(("alice", "bob"), 1):
        await split.add_key(name, number)
    runtime = split.runtime.context.runtime
    assert runtime is not None
    newer = MasterPrivateKey(2, bytes(range(32)))
    releaser = Releaser({**runtime.releasing.releaser()._keys, 2: newer})
    sessions = split.runtime.context.database.sessions

    async with sessions.begin() as first, sessions.begin() as second:
        await second.execute(text("SET LOCAL lock_timeout = '1s'"))
        resealed = await reseal_batch(first, releaser, 2, None)
        left = await reseal_batch(second, releaser, 2, None)
    async with sessions() as session:
        counts = await counts_by_version(session)

    assert (resealed.resealed, left.resealed, counts) == (2, 0, {2: 2})


async def test_an_earlier_version_put_back_is_refused_by_the_bot(split: Split) -> None:
    """It opens with its own version; the bot knows that it has seen a later one."""
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    api = split.api.context.api
    assert api is not None
    replaced = api.sealing.sealers()[1].seal(
        Credentials(Secret("k" * 64), Secret("replaced" * 8)),
        Binding(bot.account_id, UUID(key["id"]), 2, "binance", Environment.TESTNET),
    )
    await split.write(
        "INSERT INTO key_credentials (account_id, key_id, version, ciphertext, nonce, "
        "sealed_data_key, master_key_version) VALUES (:account, :key, 2, :ciphertext, :nonce, "
        ":sealed, 1)",
        "UPDATE keys SET version = 2",
        account=bot.account_id,
        key=UUID(key["id"]),
        ciphertext=replaced.ciphertext,
        nonce=replaced.nonce,
        sealed=replaced.sealed_data_key,
    )
    async with split.client(bot) as client:
        assert (await client.credentials()).api_secret.reveal() == "replaced" * 8
        await split.write("UPDATE keys SET version = 1")
        with pytest.raises(OlderVersion):
            await client.credentials(fresh=True)
        # Under the earlier number the later one does not open, so it cannot pose as that version.
        await split.write(
            "DELETE FROM key_credentials WHERE version = 1",
            "UPDATE key_credentials SET version = 1",
        )
        with pytest.raises(Refused) as refused:
            await client.credentials(fresh=True)
        assert refused.value.code == "credentials_unreadable"


async def test_a_refused_release_is_recorded_with_its_reason(split: Split) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    await split.write("UPDATE key_credentials SET sealed_data_key = ''")

    assert await opened(bot) == "credentials_unreadable"

    events = (await split.user("alice").get("/v1/audit-events")).json()["items"]
    assert [(event["action"], event["outcome"], event["code"]) for event in events[:2]] == [
        ("key.release", "refused", "credentials_unreadable"),
        ("key.release", "allowed", None),
    ]


async def test_what_runtime_says_of_a_release_opens_with_the_bot_s_key_alone(
    split: Split,
) -> None:
    """Neither the key of a later call nor any key that the service holds opens it."""
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    answer, right = await release(bot)
    _, later = await release(bot)
    released = parse_answer(ReleaseAnswer, answer.content)

    with pytest.raises(CannotOpen):
        open_release(later, released)
    assert open_release(right, released).api_secret.reveal() == secret_of(key)
    with pytest.raises(CannotOpen):
        open_release(right, released.model_copy(update={"bot_id": uuid4()}))
