"""Reads the audit log."""

from operator import attrgetter
from typing import Any

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit, NumberCursors, Page
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.db.base import AnyRow
from app.domains.audit.deps import Events
from app.domains.audit.schemas import AuditPage

router = APIRouter(prefix="/v1/audit-events", tags=["audit"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listAuditEvents",
    summary="List audit events",
    response_model=AuditPage,
)
@for_users(Scope.AUDIT_READ)
async def list_audit_events(
    audit: Events,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List every change, refusal and release in the account, newest first."""
    cursors = NumberCursors("audit-events")
    rows = await audit.page(cursors.after(cursor), limit + 1)
    page = Page.cut(rows, limit, attrgetter("sequence"))
    return json_answer(page.envelope(cursors, _document))


def _document(row: AnyRow) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public API
