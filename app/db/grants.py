"""The rights of the service's roles: read from a database, and given again after a restore.

Roles belong to a server, not to a database: a dump that is restored on another server brings its
tables without anybody's rights. `app.db.granted` states what the migrations lead to.
"""

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.distribution import is_distributed, let_writers_lock
from app.db.engine import open_database
from app.db.failures import sqlstate
from app.db.granted import GRANTS
from app.db.migration_locks import Patience, take_turn
from app.db.roles import ROLES, MigrationNotAllowed, create_roles
from app.db.schema_version import current, head

_NOT_ALLOWED = "42501"

_ROLES = bindparam("roles", type_=ARRAY(Text()))
"""The roles. Without a type they would be `name[]`, which the driver looks up in the catalog."""

_TABLES = text(
    """
    SELECT CASE WHEN c.relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.relname AS object,
        r.rolname AS role, a.privilege_type AS right, NULL AS "column"
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = ANY (:roles)
    UNION ALL
    SELECT 'TABLE ' || c.relname, r.rolname, a.privilege_type, k.attname
    FROM pg_attribute AS k JOIN pg_class AS c ON c.oid = k.attrelid
    CROSS JOIN LATERAL aclexplode(k.attacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = ANY (:roles)
    UNION ALL
    SELECT 'FUNCTION ' || p.oid::regprocedure::text, coalesce(r.rolname, 'PUBLIC'),
        a.privilege_type, NULL
    FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE p.pronamespace = 'public'::regnamespace AND (a.grantee = 0 OR r.rolname = ANY (:roles))
    UNION ALL
    SELECT 'SCHEMA ' || n.nspname, r.rolname, a.privilege_type, NULL
    FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
    JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE n.nspname = 'public' AND r.rolname = ANY (:roles)"""
).bindparams(_ROLES)

_MEMBERSHIPS = text(
    """
    SELECT g.rolname AS role, m.rolname AS member FROM pg_auth_members AS a
    JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
    WHERE g.rolname = ANY (:roles) AND m.rolname = ANY (:roles)"""
).bindparams(_ROLES)

_FUNCTIONS = """
    SELECT p.oid::regprocedure::text FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace"""


class NotMigrated(Exception):
    """The database is at another migration than the rights that this release states."""

    def __init__(self, at: str | None) -> None:
        super().__init__(
            f"The database is at migration {at or 'none'}, but this release's rights belong to "
            f"{head()}. Run `botkeys migrate` of the same release first."
        )


async def statements(connection: AsyncConnection) -> tuple[str, ...]:
    """Return the statements that would give every right that the roles have now, sorted."""
    rows = (await connection.execute(_TABLES, {"roles": list(ROLES)})).all()
    whole: dict[tuple[str, str], set[str]] = {}
    columns: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        if row.column is None:
            whole.setdefault((row.object, row.role), set()).add(row.right)
        else:
            columns.setdefault((row.object, row.role, row.right), set()).add(row.column)
    rights: dict[tuple[str, str], list[str]] = {
        place: sorted(names) for place, names in whole.items()
    }
    for (on, role, right), names in sorted(columns.items()):
        rights.setdefault((on, role), []).append(f"{right} ({', '.join(sorted(names))})")
    members = (await connection.execute(_MEMBERSHIPS, {"roles": list(ROLES)})).all()
    return (
        *sorted({f"GRANT {row.role} TO {row.member}" for row in members}),
        *(
            f"GRANT {', '.join(names)} ON {on} TO {role}"
            for (on, role), names in sorted(rights.items())
        ),
    )


async def complete(url: str) -> bool:
    """Return whether the roles have exactly this release's rights; true if it cannot know them."""
    database = open_database(url, application_name="botkeys-grants", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            return await current(connection) != head() or await statements(connection) == GRANTS
    finally:
        await database.close()


async def grant_again(url: str, patience: Patience = Patience()) -> None:  # noqa: B008  # frozen
    """Create the roles that are missing, and give them exactly this release's rights.

    One transaction: running processes see the rights before it or those after it. Migrations and
    others that give rights are waited for: PostgreSQL refuses two changes of one right at once.
    Raises `NotMigrated`, `MigrationNotAllowed` and `MigrationBlocked`.
    """
    database = open_database(url, application_name="botkeys-grants", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await take_turn(connection, patience)
            async with connection.begin():
                at = await current(connection)
                if at != head():
                    raise NotMigrated(at)
                await _grant(connection)
            if await connection.run_sync(is_distributed):
                await connection.run_sync(let_writers_lock)
    except DBAPIError as error:
        if sqlstate(error) == _NOT_ALLOWED:
            raise MigrationNotAllowed from None
        raise
    finally:
        await database.close()


async def _grant(connection: AsyncConnection) -> None:
    roles = ", ".join(ROLES)
    await create_roles(connection)
    for what in ("TABLES", "SEQUENCES"):
        await connection.execute(text(f"REVOKE ALL ON ALL {what} IN SCHEMA public FROM {roles}"))
    await connection.execute(text(f"REVOKE ALL ON SCHEMA public FROM {roles}"))
    for function in list(await connection.scalars(text(_FUNCTIONS))):
        # A restored function may be called by everybody until this.
        await connection.execute(text(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {roles}"))
    for statement in GRANTS:
        await connection.execute(text(statement))
