"""The rights of the service's roles, and whether the login is a member of the right ones."""

from collections.abc import AsyncIterator

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.migrations import At
from app.commands.doctor.part import DATABASE_ROLES, Subject
from app.db.granted import GRANTS
from app.db.grants import statements
from app.db.roles import ROLES
from app.db.schema_version import head

NAME = "login"
_FORMER_WORKER = "botkeys_worker"

_LOGIN = text(
    "SELECT rolsuper, pg_has_role(current_user, (SELECT datdba FROM pg_database"
    " WHERE datname = current_database()), 'USAGE') FROM pg_roles WHERE rolname = current_user"
)
_ROLES = text(
    "SELECT rolname::text, pg_has_role(current_user, oid, 'USAGE') FROM pg_roles"
    " WHERE rolname = ANY (:roles)"
).bindparams(bindparam("roles", type_=ARRAY(Text())))


async def look(connection: AsyncConnection, subject: Subject, at: At) -> AsyncIterator[Finding]:
    superuser, owner = (await connection.execute(_LOGIN)).one()
    found = await connection.execute(_ROLES, {"roles": list(ROLES)})
    roles = {str(name): bool(member) for name, member in found}
    absent = [role for role in ROLES if role not in roles]
    if absent:
        yield fault(
            NAME,
            f"The server has no role {', '.join(absent)}, as after a restore on another server.",
            "Run `botkeys grants` with the owner's login (docs/restore.md).",
        )
        return
    if at.revision == head() and await statements(connection) != GRANTS:
        yield fault(
            NAME,
            "The service's roles do not have exactly this release's rights.",
            "Run `botkeys grants` with the owner's login.",
        )
    if superuser or owner:
        kind = "a superuser" if superuser else "the owner's"
        yield warning(
            NAME,
            f"The login is {kind}: it works, but without the barriers between the roles.",
            "Give each process a login of its own (docs/deployment.md).",
        )
        return
    needed = DATABASE_ROLES[subject.part]
    lacking = [role for role in needed if not roles[role]]
    if lacking:
        yield fault(
            NAME,
            f"The login is not a member of {', '.join(lacking)}, which this process needs.",
            f"GRANT {', '.join(lacking)} TO the login, or use the login of this role.",
        )
    beyond = [
        role
        for role, has in sorted(roles.items())
        # In development all parts share one login.
        if has and role not in needed and role != _FORMER_WORKER and not subject.in_development
    ]
    if beyond:
        yield warning(
            NAME,
            f"The login is also a member of {', '.join(beyond)}, which this process does not need.",
            f"REVOKE {', '.join(beyond)} FROM it: custody depends on these barriers.",
        )
    if not lacking and not beyond:
        yield ok(NAME, f"It is a member of {', '.join(needed)}.")
