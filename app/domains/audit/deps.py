"""Creates the audit log and its reader for a request."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AfterValidator, StringConstraints

from app.api.route import CurrentCaller, CurrentWork
from app.api.schemas import visible
from app.api.unit_of_work import UnitOfWork
from app.auth.caller import Caller
from app.auth.principal import MAX_NAME_LENGTH
from app.context import Context
from app.db.driver import SessionExecutor
from app.domains.audit.log import AuditLog
from app.domains.audit.repository import AuditFilter, AuditRepository
from app.domains.trading.period import RequestedPeriod


def audit_log(work: UnitOfWork, context: Context, caller: Caller) -> AuditLog:
    """Return the log that is written in the session of the request."""
    return AuditLog(SessionExecutor(work.session), context.audit, caller)


async def audit_repository(work: CurrentWork, caller: CurrentCaller) -> AuditRepository:
    return AuditRepository(session=work.session, account_id=caller.account_id)


Events = Annotated[AuditRepository, Depends(audit_repository)]

MOST_TYPES = 20
_TYPE = r"[a-z_]{1,40}\.[a-z_]{1,40}"


async def audit_filter(
    period: RequestedPeriod,
    types: Annotated[
        str | None,
        Query(
            alias="type",
            pattern=rf"^{_TYPE}(,{_TYPE}){{0,{MOST_TYPES - 1}}}$",
            description=f"Only entries with this `action`; up to {MOST_TYPES} of them, with commas "
            "in between.",
            examples=["key.add,key.delete"],
        ),
    ] = None,
    key_id: Annotated[
        UUID | None,
        Query(
            description="Only entries that concern this key, which may be deleted: it was acted "
            "on, or the entry names it."
        ),
    ] = None,
    bot_id: Annotated[
        UUID | None,
        Query(
            description="Only entries that concern this bot, which may be deleted: it acted or was "
            "acted on, or the entry names it."
        ),
    ] = None,
    actor: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH),
        AfterValidator(visible),
        Query(description="Only entries with this `actor_id`: a token's subject, or a bot's id."),
    ] = None,
) -> AuditFilter:
    return AuditFilter(
        actions=() if types is None else tuple(dict.fromkeys(types.split(","))),
        key_id=key_id,
        bot_id=bot_id,
        actor_id=actor,
        since=period.since,
        until=period.until,
    )


Filter = Annotated[AuditFilter, Depends(audit_filter)]
