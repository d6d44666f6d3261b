"""`botkeys audit verify`: checks the audit chain of every account."""

from collections.abc import Callable

from sqlalchemy import select

from app.custody.keyfiles import KeyFolder, KeyKind
from app.db.models import AuditHead
from app.domains.audit.chain import broken_at
from app.process.startup import open_settings_database
from app.settings import Settings


async def verify_all(settings: Settings, report: Callable[[str], None]) -> bool:
    """Check all chains and report each broken one; return whether all are intact."""
    hmac_key = KeyFolder(settings.keys_folder).read_secret(KeyKind.AUDIT_HMAC)
    database = open_settings_database(settings, "botkeys-audit")
    whole = True
    try:
        async with database.sessions() as session:
            accounts = list(
                await session.scalars(select(AuditHead.account_id).order_by(AuditHead.account_id))
            )
            for account_id in accounts:
                sequence = await broken_at(session, hmac_key, account_id)
                if sequence is not None:
                    whole = False
                    report(f"Account {account_id}: entry {sequence} is missing or altered.")
    finally:
        await database.close()
    report(
        f"{len(accounts)} chains checked: {'all are intact' if whole else 'NOT all are intact'}."
    )
    return whole
