"""The route that closes the caller's account (role `api`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.preconditions import Expected
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.auth.errors import AccountClosing
from app.auth.scopes import Scope
from app.domains.deletion.account.deps import Closing
from app.domains.deletion.account.errors import AccountHasPositions
from app.domains.deletion.account.repository import CLOSE
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation

router = APIRouter(prefix="/v1/account", tags=["account"], route_class=EdgeRoute)


@router.delete(
    "",
    operation_id="closeAccount",
    summary="Close the account",
    status_code=202,
    response_model=Operation,
    responses=problems(AccountHasPositions, AccountClosing),
)
@for_users(Scope.ACCOUNT_ADMIN, action=CLOSE, while_closing=True)
async def close_account(
    service: Closing,
    expected: Expected,
    force: Annotated[
        bool,
        Query(
            description="Close the account even if positions are open. No bot will manage them any "
            "more."
        ),
    ] = False,
) -> Response:
    """Delete everything in the account, and the account itself.

    When the response arrives, bots, bot tokens, keys and credentials are deleted and all other data
    are hidden; the operation removes them. Until it is done, the account's tokens can read that
    operation and nothing else. Afterwards they are invalid except for reading it, and a newer token
    starts an empty account.

    The audit log is kept until its retention ends. If the response is lost, repeat the request with
    the same Idempotency-Key until the operation is done; the `operation_id` is also part of the 403
    that other routes return. The `ETag` is that of `getAccount`.
    """
    row = await service.close(expected, force=force)
    return operation_answer(row, status=202)
