"""Reads the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.audit.repository import AuditRepository
from app.audit.schemas import AuditPage
from app.auth.scopes import Scope
from app.edge.access import for_users
from app.edge.answers import json_answer
from app.edge.responses import reading
from app.edge.route import CurrentUnit, EdgeRoute
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, NumberCursors

router = APIRouter(prefix="/v1/audit-events", tags=["audit"], route_class=EdgeRoute)


async def audit_repository(unit: CurrentUnit) -> AuditRepository:
    return AuditRepository(unit.session, unit.caller.account_id)


@router.get(
    "",
    operation_id="listAuditEvents",
    summary="List audit events",
    response_model=AuditPage,
    responses=reading(),
)
@for_users(Scope.AUDIT_READ)
async def list_audit_events(
    audit: Annotated[AuditRepository, Depends(audit_repository)],
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Every change, refusal and release in the account, newest first."""
    cursors = NumberCursors("audit-events")
    rows = await audit.page(cursors.after(cursor), limit + 1)
    items = [dict(row._mapping) for row in rows[:limit]]  # noqa: SLF001  # SQLAlchemy's public API
    last = items[-1]["sequence"] if len(rows) > limit else None
    return json_answer({"items": items, "next_cursor": cursors.following(last)})
