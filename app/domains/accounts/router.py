"""Routes of the caller's account (role `api`)."""

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.preconditions import Expected, etag
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.domains.accounts.deps import Service
from app.domains.accounts.repository import AccountView
from app.domains.accounts.schemas import Account, AccountChange
from app.domains.accounts.serializers import account_document

router = APIRouter(prefix="/v1/account", tags=["account"], route_class=EdgeRoute)


def _one(view: AccountView) -> Response:
    return json_answer(account_document(view), headers={"ETag": etag(view.revision)})


@router.get(
    "",
    operation_id="getAccount",
    summary="Get the account",
    response_model=Account,
)
@for_users(Scope.DATA_READ, dear=True)
async def get_account(service: Service) -> Response:
    """Return the account's settings, and which trading data it holds in which environment."""
    return _one(await service.get())


@router.patch(
    "",
    operation_id="changeAccount",
    summary="Change the account's settings",
    response_model=Account,
)
@for_users(Scope.ACCOUNT_ADMIN, action="account.change")
async def change_account(change: AccountChange, service: Service, expected: Expected) -> Response:
    """Select the environment that lists and analytics use by default, or set the time zone.

    The `ETag` covers the settings only: new trading data do not change it.
    """
    return _one(await service.change(change, expected))
