"""Routes of sessions."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.db.base import AnyRow
from app.domains.sessions.deps import Service
from app.domains.sessions.opening import END
from app.domains.sessions.schemas import EndedSessions, SessionPage

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listSessions",
    summary="List sessions of the dashboard",
    response_model=SessionPage,
)
@for_users(Scope.ACCOUNT_ADMIN)
async def list_sessions(
    service: Service, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the browsers that are signed in to the dashboard, newest sign-in first."""

    def document(row: AnyRow) -> dict[str, Any]:
        return {**row._asdict(), "current": row.id == service.current}

    cursors = IdCursors("sessions")
    page = await service.page(cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, document))


@router.delete(
    "/{session_id}",
    operation_id="endSession",
    summary="Sign a browser out",
    status_code=204,
)
@for_users(Scope.ACCOUNT_ADMIN, action=END)
async def end_session(session_id: UUID, service: Service) -> Response:
    """End a session. Every process refuses it from then on."""
    await service.end(session_id)
    return Response(status_code=204)


@router.delete(
    "",
    operation_id="endOtherSessions",
    summary="Sign all other browsers out",
    response_model=EndedSessions,
)
@for_users(Scope.ACCOUNT_ADMIN, action=END)
async def end_other_sessions(service: Service) -> Response:
    """End all sessions but the one that the request itself belongs to, if it belongs to one."""
    return json_answer({"ended": await service.end_others()})
