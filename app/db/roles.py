"""The service's roles in the database, which the migrations create."""

ROLES = (
    "botkeys_api",
    "botkeys_runtime",
    "botkeys_worker",
    "botkeys_catalogue",
    "botkeys_purge",
    "botkeys_webhooks",
)
MEMBERSHIP = "GRANT botkeys_catalogue, botkeys_purge TO botkeys_worker"


class MigrationNotAllowed(Exception):
    """The login lacks privileges that the migrations need. The message says what to do."""

    def __init__(self) -> None:
        made = "; ".join([*(f"CREATE ROLE {role} NOLOGIN" for role in ROLES), MEMBERSHIP])
        super().__init__(
            "The migrating login lacks a privilege on this database. It must own the database, and "
            "it must either be allowed to create roles (ALTER ROLE … CREATEROLE), or an "
            f"administrator must first create the service's roles, once per server: {made}"
        )
