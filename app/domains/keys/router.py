"""Routes of keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.preconditions import Expected, etag
from app.api.responses import changing, reading, reading_one, writing
from app.api.route import CurrentWork, EdgeRoute
from app.api.schemas import Search
from app.auth.scopes import Scope
from app.domains.keys import errors
from app.domains.keys.deps import Deletions, Replacements, Service
from app.domains.keys.repository import KeyFilter, KeyRow
from app.domains.keys.schemas import (
    AssociatedData,
    CredentialsReplace,
    DeletionReceipt,
    Key,
    KeyChange,
    KeyCreate,
    KeyDeletionPreview,
    KeyPage,
)
from app.domains.keys.serializers import key_document
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation
from botkeys.exchanges.model import Environment, ExchangeId

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=EdgeRoute)


def _one(row: KeyRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(
        key_document(row), status=status, headers={"ETag": etag(row.revision), **headers}
    )


@router.post(
    "",
    operation_id="addKey",
    summary="Add a key",
    status_code=201,
    response_model=Key,
    responses=writing(
        errors.ContractTypeNotOffered,
        errors.RegionNotOffered,
        errors.PassphraseRequired,
        errors.PassphraseTwice,
        errors.PassphraseNotUsed,
        errors.MalformedCredentials,
        errors.KeyAlreadyAdded,
        errors.CredentialsRejected,
        errors.WithdrawalPermission,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.add")
async def add_key(new: KeyCreate, service: Service, work: CurrentWork) -> Response:
    """The exchange is asked whether it accepts the key, then the credentials are sealed.

    They are never shown again. A key that the exchange cannot be asked about is taken, with
    `verification.status` `unreachable`.
    """
    row = await service.add(work.caller.user, new)
    return _one(row, status=201, Location=f"/v1/keys/{row.id}")


@router.get(
    "",
    operation_id="listKeys",
    summary="List keys",
    response_model=KeyPage,
    responses=reading(),
)
@for_users(Scope.KEYS_READ)
async def list_keys(
    service: Service,
    environment: Environment | None = None,
    exchange: ExchangeId | None = None,
    active: bool | None = None,
    assigned: Annotated[bool | None, Query(description="Whether a bot has it.")] = None,
    search: Annotated[
        Search | None, Query(description="In label, exchange and mask, whatever the case.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Newest first."""
    wanted = KeyFilter(environment, exchange, active, assigned, search)
    cursors = IdCursors("keys", wanted=wanted)
    page = await service.page(wanted, cursors.after(cursor), limit)
    return json_answer(
        {
            "items": [key_document(row) for row in page.items],
            "next_cursor": cursors.following(page.next_after),
        }
    )


@router.get(
    "/{key_id}",
    operation_id="getKey",
    summary="Get a key",
    response_model=Key,
    responses=reading_one(),
)
@for_users(Scope.KEYS_READ)
async def get_key(key_id: UUID, service: Service) -> Response:
    return _one(await service.get(key_id))


@router.patch(
    "/{key_id}",
    operation_id="changeKey",
    summary="Rename, activate or deactivate a key, or switch its contract type",
    response_model=Key,
    responses=changing(
        errors.EnvironmentImmutable,
        errors.BotOnline,
        errors.OpenPositions,
        errors.ContractTypeNotOffered,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.change")
async def change_key(
    key_id: UUID, change: KeyChange, service: Service, work: CurrentWork, expected: Expected
) -> Response:
    """Deactivating stops new positions at once and leaves open ones to the bot's exit rules.

    Each contract type has trading assets of its own: switching back finds the former ones again.
    """
    return _one(await service.change(work.caller.user, key_id, change, expected))


@router.put(
    "/{key_id}/credentials",
    operation_id="replaceCredentials",
    summary="Replace a key's credentials",
    response_model=Key,
    responses=changing(
        errors.PassphraseRequired,
        errors.PassphraseTwice,
        errors.PassphraseNotUsed,
        errors.MalformedCredentials,
        errors.KeyAlreadyAdded,
        errors.OtherExchangeAccount,
        errors.CredentialsRejected,
        errors.WithdrawalPermission,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.replace_credentials")
async def replace_credentials(
    key_id: UUID,
    new: CredentialsReplace,
    service: Replacements,
    work: CurrentWork,
    expected: Expected,
) -> Response:
    """For a key that expires or was renewed: its bot, its positions and its settings stay.

    Where the exchange tells, it must be of the same exchange account. The former credentials are
    gone when the answer arrives; `version` goes up by one, and the bot fetches the new ones.
    """
    return _one(await service.replace(work.caller.user, key_id, new, expected))


@router.get(
    "/{key_id}/deletion-preview",
    operation_id="previewKeyDeletion",
    summary="Count what deleting a key with its data would delete",
    response_model=KeyDeletionPreview,
    responses=reading_one(),
)
@for_users(Scope.KEYS_READ)
async def preview_key_deletion(key_id: UUID, service: Deletions) -> Response:
    """A key that a bot has, or with which a position is held, cannot be deleted yet."""
    preview = await service.preview(key_id)
    return json_answer(
        {
            "key_id": key_id,
            "counts": preview.counts,
            "held_positions": preview.held,
            "bot": key_document(preview.key)["bot"],
        }
    )


@router.delete(
    "/{key_id}",
    operation_id="deleteKey",
    summary="Delete a key",
    response_model=DeletionReceipt,
    responses={
        202: {"description": "The operation that deletes its data", "model": Operation},
        **changing(errors.KeyAssigned, errors.PositionsHeld),
    },
)
@for_users(Scope.KEYS_WRITE, action="key.delete")
async def delete_key(
    key_id: UUID,
    service: Deletions,
    work: CurrentWork,
    expected: Expected,
    associated_data: Annotated[
        AssociatedData,
        Query(description="Whether its trading data stay. `delete` takes the scope `data:delete`."),
    ] = AssociatedData.KEEP,
) -> Response:
    """The credentials are gone when the answer arrives, and with `delete` nothing shows the key's
    data any more; their rows are removed by the operation.
    """
    user = work.caller.user
    if associated_data is AssociatedData.DELETE:
        user.require(Scope.DATA_DELETE)
        return operation_answer(await service.delete_with_data(user, key_id, expected), status=202)
    deleted = await service.delete(user, key_id, expected)
    return json_answer({"key_id": key_id, "associated_data": associated_data, "deleted": deleted})
