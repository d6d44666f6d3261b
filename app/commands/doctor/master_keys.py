"""Whether the master keys in the folder are those that the database knows."""

from collections.abc import AsyncIterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.commands.doctor.blocking import in_thread
from app.commands.doctor.finding import Finding, fault, ok
from app.commands.doctor.key_files import held
from app.commands.doctor.part import Subject
from app.custody.keyfiles import KeyFolder
from app.custody.master_keys.readiness import registry_fault
from app.custody.wrapping.wrappers import Wrappers
from app.db.failures import is_lost
from botkeys.sealing.errors import SealingError

NAME = "master keys"


async def look(connection: AsyncConnection, subject: Subject) -> AsyncIterator[Finding]:
    role, settings = subject.role, subject.settings
    folder = KeyFolder(settings.keys_folder, Wrappers(settings).unwrap)
    if role is None:
        return
    try:
        api, runtime = await in_thread(lambda: held(folder, role))
    except SealingError:
        return  # a fault of the key files
    try:
        async with (
            connection.begin_nested(),
            AsyncSession(connection, join_transaction_mode="create_savepoint") as session,
        ):
            found = await registry_fault(session, api, runtime)
    except DBAPIError as error:
        if is_lost(error):
            raise
        yield fault(
            NAME,
            "They cannot be compared with the database: the login may not read its tables.",
            "See the login and the migrations above.",
        )
        return
    if found is None:
        yield ok(NAME, "They are those that the database knows.")
    else:
        yield fault(
            NAME,
            f"{found[:1].upper()}{found[1:]}.",
            "Copy the missing file to this role's folder, or start runtime first "
            "(docs/deployment.md).",
        )
