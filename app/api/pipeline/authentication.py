"""From the headers of a request to its proved caller."""

from fastapi import Request

from app.api.unit_of_work import UnitOfWork
from app.auth.authenticator import authenticate_user, read_bot_token
from app.auth.caller import Caller
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.custody.bot_token import matches
from app.domains.accounts.status import OPEN, AccountStatus
from app.domains.bots.token_repository import stored_token_hash


async def authenticate(request: Request, work: UnitOfWork) -> None:
    """Make the caller known to the unit.

    Raises 401 for a bad token, 403 for the wrong kind, a closing account or a missing scope. A
    caller who lacks a scope is known all the same: the refusal is recorded under its name.
    """
    address = request.client.host if request.client else ""
    request_id: str = request.state.request_id
    headers = request.scope["headers"]
    if work.access.for_bots:
        work.enter(Caller(await _bot(headers, work), address, request_id))
        return
    user = await authenticate_user(work.context.verifier, headers)
    work.enter(Caller(user, address, request_id))
    account_statuses = work.context.account_statuses
    status = account_statuses.known(user.account_id) or await account_statuses.read(user.account_id)
    if status is not OPEN and not _about_the_closure(request, work, status):
        status.require_open(user)
    user.require(*work.access.scopes)


def _about_the_closure(request: Request, work: UnitOfWork, status: AccountStatus) -> bool:
    """Whether this asks for the operation that closes the account or closed it, or is a write that
    looks at the account under its lock.
    """
    if not work.access.while_closing:
        return False
    asked = request.path_params.get("operation_id")
    return asked is None or asked == str(status.operation_id)


async def _bot(headers: list[tuple[bytes, bytes]], work: UnitOfWork) -> BotPrincipal:
    token, claimed = read_bot_token(headers)
    if work.context.runtime is None:
        raise RuntimeError("a route for bots is served by a process without the role runtime")
    if work.access.reads_config:
        rows = await work.context.config_rows.read(claimed.account_id, claimed.bot_id)
        work.config_rows = rows
        stored = rows[0].token_hash if rows else None
    else:
        stored = await stored_token_hash(
            work.context.database.autocommit, claimed.account_id, claimed.bot_id
        )
    key = bytes(work.context.runtime.token.reveal())
    if stored is None or not matches(key, token, stored):
        raise Unauthenticated(TokenFault.REVOKED)
    return BotPrincipal(claimed.account_id, claimed.bot_id, stored)
