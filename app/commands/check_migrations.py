"""`botkeys migrate --check`: says what a migration would do, for people and for a deployment."""

from collections.abc import Callable

from app.db.grants import complete
from app.db.pending import CheckStatus, look


async def check_migrations(url: str, report: Callable[[str], None]) -> CheckStatus:
    """Report the state of the database and each pending migration; return the exit status."""
    found = await look(url)
    report(found.sentence)
    for one in found.pending:
        report(f"{one.revision}  {one.title}")
        for line in (one.explanation, *map(str, one.effects)):
            if line:
                report(f"      {line}")
    if found.status is CheckStatus.NOTHING_TO_DO and not await complete(url):
        report(
            "The service's roles do not have this release's rights, as after a restore from a "
            "dump: run `botkeys grants`."
        )
    return found.status
