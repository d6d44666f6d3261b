"""The processes that can be looked at, and what each of them needs."""

from dataclasses import dataclass
from enum import StrEnum

from app.settings import Mode, Role, Settings


class Part(StrEnum):
    """A process, named as it is started: `dev`, `serve --role …`, `worker --task …`."""

    DEV = "dev"
    ALL = "all"
    API = "api"
    RUNTIME = "runtime"
    WORKER = "worker"
    CATALOGUE = "catalogue"
    PURGE = "purge"
    WEBHOOKS = "webhooks"


SERVING = {
    Part.DEV: Role.ALL,
    Part.ALL: Role.ALL,
    Part.API: Role.API,
    Part.RUNTIME: Role.RUNTIME,
}
"""The parts that serve requests, with the role that decides which keys they hold."""

CALLING = frozenset(Part) - {Part.PURGE, Part.WEBHOOKS}
"""The parts that call exchanges."""

DATABASE_ROLES = {
    Part.DEV: (
        "botkeys_api",
        "botkeys_runtime",
        "botkeys_catalogue",
        "botkeys_purge",
        "botkeys_webhooks",
    ),
    Part.ALL: ("botkeys_api", "botkeys_runtime"),
    Part.API: ("botkeys_api",),
    Part.RUNTIME: ("botkeys_runtime",),
    Part.WORKER: ("botkeys_catalogue", "botkeys_purge", "botkeys_webhooks"),
    Part.CATALOGUE: ("botkeys_catalogue",),
    Part.PURGE: ("botkeys_purge",),
    Part.WEBHOOKS: ("botkeys_webhooks",),
}
"""The roles whose rights the login of a part needs. A worker without `webhook-key` sends none,
and does without those of webhooks.
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a part, with the settings that it would start with."""

    settings: Settings
    part: Part

    @property
    def role(self) -> Role | None:
        return SERVING.get(self.part)

    @property
    def in_development(self) -> bool:
        return self.settings.mode is Mode.DEVELOPMENT

    @property
    def embedded(self) -> bool:
        """Whether the process starts a database of its own."""
        return self.part is Part.DEV and self.settings.database_url is None
