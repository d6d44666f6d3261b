"""The settings as a whole: the mode, and what a part refuses to start without."""

import os
from collections.abc import AsyncIterator

from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Part, Subject
from app.kit.service_links import service_links
from app.process.dashboard import require_dashboard_settings
from app.settings import PREFIX, SettingsError

NAME = "settings"


async def look(subject: Subject) -> AsyncIterator[Finding]:
    settings, role = subject.settings, subject.role
    yield ok(NAME, f"All are valid. Mode {settings.mode}, as for {_command(subject.part)}.")
    if subject.part is Part.DEV and not subject.in_development:
        yield fault(NAME, "`botkeys dev` is for development only.", "Name the process with --role.")
    if settings.database_url is None and not subject.embedded:
        yield fault(
            NAME,
            "BOTKEYS_DATABASE_URL is not set.",
            "Set it to the address of the database, with the login of this role.",
        )
    if role is not None:
        try:
            require_dashboard_settings(settings, role)
        except SettingsError as error:
            yield fault(NAME, str(error))
    if subject.part is Part.ALL and not subject.in_development:
        yield warning(
            NAME,
            "One process is to hold both the keys that seal and the keys that open.",
            "Run the roles api and runtime as separate processes.",
        )
    links = service_links(os.environ, PREFIX)
    if links:
        yield ok(NAME, f"Ignored, since Kubernetes sets them for its services: {', '.join(links)}.")


def _command(part: Part) -> str:
    if part is Part.DEV:
        return "`botkeys dev`"
    if part is Part.WORKER:
        return "`botkeys worker`"
    serves = part in {Part.ALL, Part.API, Part.RUNTIME}
    return f"`botkeys serve --role {part}`" if serves else f"`botkeys worker --task {part}`"
