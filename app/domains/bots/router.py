"""Routes of bots (role `api`), and the one that mints their tokens (role `runtime`)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit, SortedCursors
from app.api.preconditions import Expected, etag
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.schemas import Search
from app.auth.scopes import Scope
from app.domains.bots import errors
from app.domains.bots.deps import Documents, Service, TokenService
from app.domains.bots.errors import KeyAssigned, KeyInactive, KeyIncomplete
from app.domains.bots.listing import BotFilter, BotSort, order_of
from app.domains.bots.rows import BotRow
from app.domains.bots.schemas import Bot, BotChange, BotCreate, BotPage, BotToken, KeyAssignment
from botkeys.exchanges.model import Environment

router = APIRouter(prefix="/v1/bots", tags=["bots"], route_class=EdgeRoute)
token_router = APIRouter(prefix="/v1/bots", tags=["bots"], route_class=EdgeRoute)


def _answer(document: Any, row: BotRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(document, status=status, headers={"ETag": etag(row.revision), **headers})


@router.post(
    "",
    operation_id="addBot",
    summary="Add a bot",
    status_code=201,
    response_model=Bot,
    responses=problems(errors.BotQuotaReached),
)
@for_users(Scope.BOTS_WRITE, action="bot.add")
async def add_bot(new: BotCreate, service: Service, documents: Documents) -> Response:
    """Add a bot. It has no token and no key at first."""
    row = await service.add(new.name)
    return _answer(documents.bot(row), row, status=201, Location=f"/v1/bots/{row.id}")


@router.get("", operation_id="listBots", summary="List bots", response_model=BotPage)
@for_users(Scope.BOTS_READ)
async def list_bots(
    service: Service,
    documents: Documents,
    environment: Annotated[
        Environment | None, Query(description="Only bots with a key of this environment.")
    ] = None,
    assigned: Annotated[
        bool | None, Query(description="Only bots with, or without, a key.")
    ] = None,
    online: Annotated[
        bool | None, Query(description="Only bots that are, or are not, online.")
    ] = None,
    paused: Annotated[
        bool | None, Query(description="Only bots that are, or are not, paused.")
    ] = None,
    blocked: Annotated[
        bool | None,
        Query(description="Only bots that may open no positions (`blocked_by`), or that may."),
    ] = None,
    search: Annotated[
        Search | None, Query(description="Text to find in the name, ignoring case.")
    ] = None,
    sort: Annotated[
        BotSort | None,
        Query(
            description="The order, with a minus for descending; newest first if omitted. Names "
            "are compared without regard to case, by code point. Equal ones are in the order of "
            "their ids."
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List the account's bots, with everything that a table of them shows."""
    wanted = BotFilter(environment, assigned, online, paused, blocked, search)
    order = order_of(sort)
    if order is None:
        cursors = IdCursors("bots", wanted=wanted)
        newest = await service.page(wanted, cursors.after(cursor), limit)
        return json_answer(newest.envelope(cursors, documents.bot))
    places = SortedCursors("bots", wanted=wanted, sort=sort)
    page = await service.sorted_page(wanted, order, places.after(cursor), limit)
    return json_answer(page.envelope(places, documents.bot))


@router.get(
    "/{bot_id}",
    operation_id="getBot",
    summary="Get a bot",
    response_model=Bot,
)
@for_users(Scope.BOTS_READ)
async def get_bot(bot_id: UUID, service: Service, documents: Documents) -> Response:
    """Return one bot, with its key and whether it is online."""
    row = await service.get(bot_id)
    return _answer(documents.bot(row), row)


@router.patch(
    "/{bot_id}",
    operation_id="changeBot",
    summary="Rename or pause a bot",
    response_model=Bot,
)
@for_users(Scope.BOTS_WRITE, action="bot.change")
async def change_bot(
    bot_id: UUID, change: BotChange, service: Service, documents: Documents, expected: Expected
) -> Response:
    """Rename, pause or resume a bot.

    A paused bot opens no new positions and continues to manage its open ones.
    """
    row = await service.change(bot_id, change, expected)
    return _answer(documents.bot(row), row)


@router.delete(
    "/{bot_id}",
    operation_id="deleteBot",
    summary="Delete a bot",
    status_code=204,
    responses=problems(errors.BotHasPositions, errors.BotHasOrders),
)
@for_users(Scope.BOTS_WRITE, action="bot.delete")
async def delete_bot(bot_id: UUID, service: Service, expected: Expected) -> Response:
    """Delete a bot, revoke its token and unassign its key."""
    await service.delete(bot_id, expected)
    return Response(status_code=204)


@router.put(
    "/{bot_id}/key",
    operation_id="assignKey",
    summary="Assign a key to a bot",
    response_model=Bot,
    responses=problems(
        KeyIncomplete, KeyInactive, KeyAssigned, errors.BotHasPositions, errors.BotHasOrders
    ),
)
@for_users(Scope.BOTS_WRITE, action="bot.assign_key")
async def assign_key(
    bot_id: UUID,
    assignment: KeyAssignment,
    service: Service,
    documents: Documents,
    expected: Expected,
) -> Response:
    """Assign a key, replacing the bot's current one.

    The key must be active and not assigned to another bot.
    """
    row = await service.assign(bot_id, assignment.key_id, expected)
    return _answer(documents.bot(row), row)


@router.delete(
    "/{bot_id}/key",
    operation_id="unassignKey",
    summary="Unassign a bot's key",
    response_model=Bot,
    responses=problems(errors.BotHasPositions, errors.BotHasOrders),
)
@for_users(Scope.BOTS_WRITE, action="bot.unassign_key")
async def unassign_key(
    bot_id: UUID, service: Service, documents: Documents, expected: Expected
) -> Response:
    """Take the key away from the bot. The key can then be assigned to another bot."""
    row = await service.unassign(bot_id, expected)
    return _answer(documents.bot(row), row)


@token_router.post(
    "/{bot_id}/token",
    operation_id="mintBotToken",
    summary="Mint a bot's token",
    status_code=201,
    response_model=BotToken,
)
@for_users(Scope.BOTS_WRITE, action="bot.mint_token", replayable=False)
async def mint_bot_token(bot_id: UUID, service: TokenService) -> Response:
    """Mint a token for the bot and revoke its previous one immediately.

    The token is shown once. An Idempotency-Key has no effect, because the response is a secret and
    is not stored. If the response is lost, repeat the call: it mints another token.
    """
    token = await service.replace(bot_id)
    return json_answer(
        {"token": token.reveal()}, status=201, headers={"Location": f"/v1/bots/{bot_id}"}
    )
