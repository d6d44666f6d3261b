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
from app.domains.audit.cursors import EntryCursors
from app.domains.audit.deps import Events, Filter
from app.domains.audit.repository import AuditFilter
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
    wanted: Filter,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List every change, refusal and release in the account, newest first.

    Filters narrow the list together. Entries of keys and bots that were deleted are found too.
    """
    if wanted == AuditFilter():
        numbers = NumberCursors("audit-events")
        rows = await audit.page(numbers.after(cursor), limit + 1)
        page = Page.cut(rows, limit, attrgetter("sequence"))
        return json_answer(page.envelope(numbers, _document))
    places = EntryCursors("audit-events", wanted=wanted)
    rows = await audit.filtered_page(wanted, places.after(cursor), limit + 1)
    found = Page.cut(rows, limit, attrgetter("at", "sequence"))
    return json_answer(found.envelope(places, _document))


def _document(row: AnyRow) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public API
