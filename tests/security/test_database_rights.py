"""The database rights of the roles' logins: what their work needs, and nothing else."""

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import ACCOUNTLESS, Base
from app.db.engine import Database
from app.db.failures import sqlstate
from app.db.roles import ROLES
from tests.support.logins import documented_logins
from tests.support.split import Split

DENIED = "42501"
_OF_A_NODE = "XX000"


@pytest_asyncio.fixture(autouse=True)
async def something_to_touch(split: Split) -> None:
    key = await split.add_key("alice", 1)
    await split.add_bot("alice", key["id"])


async def tried(database: Database, statement: str) -> str | None:
    """Return the SQLSTATE of the refusal, or `None`; any effect is rolled back."""
    async with database.sessions() as session:
        try:
            await session.execute(text(statement))
        except DBAPIError as error:
            code = sqlstate(error)
        else:
            code = None
        finally:
            await session.rollback()
        if code == _OF_A_NODE and statement.startswith("TRUNCATE"):
            return await _right_to_empty(session, statement.split()[1])
    return code


async def _right_to_empty(session: AsyncSession, table: str) -> str | None:
    """Return `DENIED` unless the login may empty this table.

    On several nodes it is a worker that refuses, and the coordinator does not say why it did.
    """
    right = select(func.has_table_privilege(table, "TRUNCATE"))
    return None if await session.scalar(right) else DENIED


NEITHER = [
    *(
        statement
        for table in ("audit_events", "audit_heads")
        for statement in (
            f"DELETE FROM {table}",  # noqa: S608  # names of our own, here and below
            f"TRUNCATE {table} CASCADE",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"ALTER TABLE {table} DROP COLUMN mac",
            f"ALTER TABLE {table} OWNER TO CURRENT_USER",
            f"DROP TABLE {table} CASCADE",
            f"CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING",
            f"CREATE TRIGGER t AFTER INSERT ON {table} EXECUTE FUNCTION no_such_function()",
        )
    ),
    "LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE",
    "UPDATE audit_events SET details = details",
    "UPDATE audit_events SET mac = mac",
    "UPDATE key_credentials SET ciphertext = ciphertext",
    "UPDATE key_credentials SET nonce = nonce",
    "UPDATE key_credentials SET version = version",
    "UPDATE key_credentials SET account_id = account_id",
    "UPDATE master_keys SET fingerprint = fingerprint",
    "DELETE FROM master_keys",
    "DELETE FROM releases",
    "UPDATE releases SET at = at",
    "DELETE FROM accounts",
    "DELETE FROM bot_events",
    "UPDATE alembic_version SET version_num = '0'",
    "CREATE TABLE mine (a int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine SUPERUSER",
    "SET ROLE postgres",
    "SET session_replication_role = replica",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY (SELECT 1) TO '/dev/null'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM pg_authid",
]

OVERWRITING = (
    "INSERT INTO key_credentials (account_id, key_id, version) VALUES (NULL, NULL, 1) "
    "ON CONFLICT (account_id, key_id, version) DO UPDATE SET ciphertext = ''"
)

CLOSING = {"status", "close_reason", "closed_at", "expires_at", "updated_at", "locks_key"}
"""The columns that a user changes in a position of a dead bot, or by giving a bot its key back."""

CALL = (
    "(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'trades', 'live', NULL, {cutoff},"
    " NULL, NULL, NULL, NULL, NULL, NULL)"
)
CATALOGUE_TABLES = ("catalogues", "instruments", "instrument_prices", "learned_leverages")

NOT_API = [
    "UPDATE dashboard_sessions SET secret_hash = secret_hash",
    "UPDATE dashboard_sessions SET proof = proof",
    "UPDATE dashboard_sessions SET evidence = evidence",
    "SELECT ciphertext FROM key_credentials",
    "SELECT nonce FROM key_credentials",
    "SELECT sealed_data_key FROM key_credentials",
    "SELECT * FROM key_credentials",
    "SELECT k FROM key_credentials k",
    "SELECT xmin FROM key_credentials",
    "COPY key_credentials TO STDOUT",
    "DELETE FROM key_credentials RETURNING ciphertext",
    "SELECT count(*) FROM key_credentials WHERE ciphertext > '\\x00'",
    "UPDATE key_credentials SET sealed_data_key = sealed_data_key",
    "UPDATE key_credentials SET master_key_version = 2",
    OVERWRITING,
    "SELECT * FROM bot_tokens",
    "SELECT account_id FROM bot_tokens",
    "SELECT count(*) FROM bot_tokens",
    "UPDATE bot_tokens SET token_hash = token_hash",
    "INSERT INTO bot_tokens SELECT account_id, id, sha256('') FROM bots",
    "DELETE FROM bot_tokens",
    "TRUNCATE bot_tokens",
    "INSERT INTO releases SELECT * FROM releases",
    "UPDATE bot_events SET kind = kind",
    *(
        f"UPDATE positions SET {column.name} = {column.name}"  # noqa: S608
        for column in Base.metadata.tables["positions"].columns
        if column.name not in CLOSING
    ),
    "INSERT INTO positions SELECT * FROM positions",
    "DELETE FROM positions",
    "UPDATE presence SET lease_until = now()",
    "TRUNCATE keys CASCADE",
    "SET ROLE botkeys_runtime",
    "SET ROLE botkeys_worker",
    "SELECT purge_rows" + CALL.format(cutoff="'infinity'"),
    "SELECT forget_account(gen_random_uuid(), gen_random_uuid(), gen_random_uuid())",
    "SELECT lapse_openings('0', 1)",
    "SELECT sweep_expired('releases', '0', 1)",
]

REMEMBERING = (
    "INSERT INTO purged_positions SELECT account_id, id, sha256(''), now() FROM bots "
    "ON CONFLICT (account_id, bot_id, digest) DO UPDATE SET purged_at = excluded.purged_at"
)

HEALTH = {
    *(f"permission_{name}" for name in ("read", "trade", "withdraw", "ip_restricted")),
    *(f"verification_{name}" for name in ("status", "reason", "possible", "code", "checked_at")),
    "verification_since",
    "health_checked_at",
    "unverified",
    "expires_at",
    "expiry_announced",
    "revision",
}
"""The columns in which a bot's findings about its key at the exchange are stored."""

NOT_RUNTIME = [
    "SELECT address FROM dashboard_sessions",
    "UPDATE dashboard_sessions SET last_used_at = last_used_at",
    "INSERT INTO dashboard_sessions SELECT * FROM dashboard_sessions",
    "DELETE FROM dashboard_sessions",
    # It stores and reads no responses, and shows nothing of what bots reported.
    "SELECT account_id FROM idempotency_records",
    "SELECT body FROM idempotency_records",
    "INSERT INTO idempotency_records DEFAULT VALUES",
    "UPDATE idempotency_records SET status = status",
    "DELETE FROM idempotency_records",
    "DELETE FROM bot_tokens",
    "UPDATE bot_tokens SET account_id = account_id",
    "UPDATE bot_tokens SET bot_id = bot_id",
    "SELECT pnl FROM trades",
    "SELECT equity FROM equity_snapshots",
    "SELECT data FROM signals",
    "SELECT message FROM bot_events",
    *(
        f"UPDATE keys SET {column.name} = {column.name}"  # noqa: S608
        for column in Base.metadata.tables["keys"].columns
        if column.name not in {"last_release_at", "last_release_from", "updated_at", *HEALTH}
    ),
    *(
        f"UPDATE bots SET {column.name} = {column.name}"  # noqa: S608
        for column in Base.metadata.tables["bots"].columns
        if column.name != "updated_at"
    ),
    "INSERT INTO keys SELECT * FROM keys",
    "DELETE FROM keys",
    "INSERT INTO bots SELECT * FROM bots",
    "DELETE FROM bots",
    "INSERT INTO key_credentials SELECT * FROM key_credentials",
    "DELETE FROM key_credentials",
    "TRUNCATE key_credentials",
    "UPDATE accounts SET subject = subject",
    "UPDATE accounts SET issuer = issuer",
    "DELETE FROM purged_positions",
    "DELETE FROM presence",
    "SET ROLE botkeys_api",
    "SET ROLE botkeys_worker",
]


ACCOUNTS = sorted(set(Base.metadata.tables) - ACCOUNTLESS)
NOT_CATALOGUE = [
    # It writes catalogues, and of the accounts it sees which exchanges their keys are of.
    *(
        statement
        for table in ACCOUNTS
        for statement in (
            f"SELECT account_id FROM {table}",  # noqa: S608
            f"INSERT INTO {table} SELECT * FROM {table}",  # noqa: S608
            f"UPDATE {table} SET account_id = account_id",  # noqa: S608
            f"DELETE FROM {table}",  # noqa: S608
        )
    ),
    *(
        f"UPDATE keys SET {column.name} = {column.name}"  # noqa: S608
        for column in Base.metadata.tables["keys"].columns
    ),
    "SELECT label FROM keys",
    "UPDATE instruments SET contract_size = 100",
    "UPDATE instruments SET settle = 'BTC'",
    "UPDATE instruments SET contract_changed_at = NULL",
    "UPDATE instruments SET symbol = symbol",
    "UPDATE learned_leverages SET max_leverage = 100",
    *(f"DELETE FROM {table}" for table in CATALOGUE_TABLES),  # noqa: S608
    "SELECT purge_rows" + CALL.format(cutoff="'infinity'"),
    "SELECT forget_labels(gen_random_uuid())",
    "SET ROLE botkeys_api",
    "SET ROLE botkeys_purge",
    "SET ROLE botkeys_worker",
]
WRITABLE = {
    "keys": {"expiry_announced"},
    "presence": {"announced_online"},
    "operations": {"claim", "claimed_until", "phase", "total"},
    "event_heads": {"sequence"},
}
"""The columns that the purge worker changes itself, without a function."""

DERIVED = {"trade_days", "stale_days"}
"""Tables that the purge worker computes from others."""

NOT_PURGE = [
    *(
        f"UPDATE {table} SET {column.name} = {column.name}"  # noqa: S608
        for table in sorted(Base.metadata.tables)
        for column in Base.metadata.tables[table].columns
        if column.name not in WRITABLE.get(table, set())
    ),
    *(f"DELETE FROM {table}" for table in sorted(Base.metadata.tables) if table not in DERIVED),  # noqa: S608
    *(
        f"INSERT INTO {table} DEFAULT VALUES"
        for table in sorted(Base.metadata.tables)
        if table not in {*DERIVED, "bot_events", "events", "event_heads", "webhook_news"}
    ),
    "SELECT body FROM idempotency_records",
    "SELECT account_id FROM idempotency_records",
    "SELECT account_id FROM releases",
    "SELECT token_hash FROM bot_tokens",
    "SELECT ciphertext FROM key_credentials",
    "SELECT subject FROM accounts",
    "SELECT exit_reason FROM trades",
    "SELECT equity FROM equity_snapshots",
    "SELECT quantity FROM positions",
    "SELECT data FROM signals",
    "SELECT message FROM bot_events",
    "SELECT paused FROM bots",
    "SELECT data FROM events",
    "SELECT masked_key FROM keys",
    "SELECT fingerprint FROM keys",
    "SET ROLE botkeys_api",
    "SET ROLE botkeys_catalogue",
    "SET ROLE botkeys_worker",
]

NOT_WEBHOOKS = [
    "SELECT ciphertext FROM key_credentials",
    "SELECT token_hash FROM bot_tokens",
    "SELECT secret_hash FROM dashboard_sessions",
    "SELECT body FROM idempotency_records",
    "SELECT label FROM keys",
    "SELECT name FROM bots",
    "SELECT subject FROM accounts",
    "SELECT details FROM audit_events",
    "SELECT equity FROM equity_snapshots",
    "SELECT quantity FROM positions",
    "SELECT pnl FROM trades",
    "UPDATE webhooks SET sealed_url = sealed_url",
    "UPDATE webhooks SET secret_version = secret_version",
    "UPDATE events SET data = data",
    "DELETE FROM events",
    "DELETE FROM webhooks",
    "DELETE FROM webhook_deliveries",
    "SET ROLE botkeys_api",
    "SET ROLE botkeys_purge",
]

LOGINS = list(documented_logins())
FORBIDDEN = {
    "api": NOT_API,
    "runtime": NOT_RUNTIME,
    "catalogue": NOT_CATALOGUE,
    "purge": NOT_PURGE,
    "webhooks": NOT_WEBHOOKS,
}


def test_every_documented_login_is_in_the_matrix() -> None:
    assert set(FORBIDDEN) == set(LOGINS)


@pytest.mark.parametrize("login", LOGINS)
async def test_no_login_may_rewrite_the_audit_log_or_leave_its_rights(
    split: Split, login: str
) -> None:
    database = split.databases[login]
    codes = {statement: await tried(database, statement) for statement in NEITHER}
    assert {statement: code for statement, code in codes.items() if code != DENIED} == {}


@pytest.mark.parametrize("login", LOGINS)
async def test_a_login_may_not_do_what_is_the_work_of_others(split: Split, login: str) -> None:
    """Rule R50.

    Neither read what is sealed and what was answered, nor touch tokens, positions, contracts or
    accounts that it has nothing to do with.
    """
    database = split.databases[login]
    codes = {statement: await tried(database, statement) for statement in FORBIDDEN[login]}
    assert {statement: code for statement, code in codes.items() if code != DENIED} == {}


@pytest.mark.parametrize(
    ("login", "statement"),
    [
        ("api", "SELECT account_id, key_id, version FROM key_credentials"),
        ("api", "DELETE FROM key_credentials"),
        ("api", "UPDATE keys SET label = label"),
        ("api", "INSERT INTO bot_events SELECT * FROM bot_events"),
        *(("api", f"UPDATE positions SET {column} = {column}") for column in sorted(CLOSING)),  # noqa: S608
        ("runtime", "SELECT ciphertext FROM key_credentials"),
        ("runtime", "UPDATE keys SET last_release_at = now()"),
        ("runtime", "UPDATE bot_tokens SET token_hash = token_hash"),
        ("runtime", "DELETE FROM positions"),
        ("runtime", REMEMBERING),
        ("api", "DELETE FROM purged_positions WHERE account_id = CAST(repeat('0', 32) AS uuid)"),
    ],
)
async def test_what_their_work_needs_is_allowed(split: Split, login: str, statement: str) -> None:
    assert await tried(split.databases[login], statement) is None


async def test_the_roles_own_nothing_and_are_no_superusers(split: Split) -> None:
    async with split.superuser.sessions() as session:
        owned = await session.scalars(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
                "WHERE r.rolname LIKE 'botkeys_%' AND r.rolname <> 'botkeys_owner'"
            )
        )
        assert list(owned) == []
        mighty = await session.scalars(
            text(
                "SELECT rolname FROM pg_roles WHERE rolname = ANY (:roles) AND (rolsuper OR "
                "rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication OR rolcanlogin)"
            ),
            {"roles": list(ROLES)},
        )
        assert list(mighty) == []


async def test_nothing_of_ours_is_open_to_every_login(split: Split) -> None:
    async with split.superuser.sessions() as session:
        public = await session.scalars(
            text(
                "SELECT table_name FROM information_schema.role_table_grants "
                "WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
                " AND table_name NOT IN ('citus_schemas', 'citus_tables')"
            )
        )
        assert list(public) == []
