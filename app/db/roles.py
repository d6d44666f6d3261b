"""The service's roles in the database, which the migrations create."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ROLES = (
    "botkeys_api",
    "botkeys_runtime",
    "botkeys_worker",
    "botkeys_catalogue",
    "botkeys_purge",
    "botkeys_webhooks",
)
MEMBERSHIP = "GRANT botkeys_catalogue, botkeys_purge TO botkeys_worker"

CREATE_ROLE = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{0}') THEN
            CREATE ROLE {0} NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$"""


async def create_roles(connection: AsyncConnection) -> None:
    """Create the roles that the server does not have."""
    for role in ROLES:
        await connection.execute(text(CREATE_ROLE.format(role)))


class MigrationNotAllowed(Exception):
    """The login lacks privileges that the migrations need. The message says what to do."""

    def __init__(self) -> None:
        made = "; ".join([*(f"CREATE ROLE {role} NOLOGIN" for role in ROLES), MEMBERSHIP])
        super().__init__(
            "The migrating login lacks a privilege on this database. It must own the database, and "
            "it must either be allowed to create roles (ALTER ROLE … CREATEROLE), or an "
            f"administrator must first create the service's roles, once per server: {made}"
        )
