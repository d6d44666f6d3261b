"""Routes of a key's releases (role `api`): what a user looks at, and nothing that releases.

The scope is that of keys: a key shows its latest release and its bot anyway.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.db.base import AnyRow
from app.domains.releases.cursors import ReleaseCursors
from app.domains.releases.deps import Service
from app.domains.releases.schemas import KeyReleasePage, ReleaseSummary
from app.errors import NotFound

router = APIRouter(prefix="/v1/keys/{key_id}/releases", tags=["keys"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listKeyReleases",
    summary="List a key's releases",
    response_model=KeyReleasePage,
    responses=problems(NotFound),
)
@for_users(Scope.KEYS_READ)
async def list_key_releases(
    key_id: UUID, service: Service, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the releases of the last 90 days to bots that still exist, newest first.

    Refused ones are in the audit log: `GET /v1/audit-events?type=key.release&bot_id=…`.
    """
    cursors = ReleaseCursors("key-releases", key_id=key_id)
    page = await service.page(key_id, cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, _release))


@router.get(
    "/summary",
    operation_id="summarizeKeyReleases",
    summary="Summarize a key's releases",
    response_model=ReleaseSummary,
    responses=problems(NotFound),
)
@for_users(Scope.KEYS_READ, dear=True)
async def summarize_key_releases(key_id: UUID, service: Service) -> Response:
    """Count a key's releases by day, and list the addresses that it was released to."""
    found = await service.activity(key_id)
    return json_answer(
        {
            "timezone": found.zone,
            "days": [
                {"day": day, "count": count}
                for day, count in zip(found.days, found.counts, strict=True)
            ],
            "addresses": [
                {
                    "from": row.address,
                    "count": row.releases,
                    "first_at": row.first_at,
                    "last_at": row.last_at,
                }
                for row in found.addresses
            ],
        }
    )


def _release(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "from": row.address,
        "bot": {"id": row.bot_id, "name": row.bot_name},
        "version": row.version,
        "suite": row.suite,
    }
