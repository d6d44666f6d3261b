"""Carries a request to its endpoint and back: caller, claim, transaction, refusal.

authenticate ─► check ─► place in the account's share ─► claim the Idempotency-Key
    ─► endpoint, again after a conflict ─► store the answer and commit
refused: roll back everything ─► release the claim, record the refusal, commit
failed or abandoned: roll back everything ─► release the claim
outcome unknown: leave the claim to lapse, since the answer may be stored after all
"""

import asyncio

import stamina
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.access import Access
from app.api.admission import Admission
from app.api.pipeline import Check, Handler
from app.api.problems import from_http_exception, validation_problem
from app.api.shares import Share, Shares
from app.api.telemetry import Metrics
from app.api.unit_of_work import UnitOfWork
from app.api.write_limiter import AccountWriteLimiter
from app.auth.caller import Caller
from app.auth.principal import BotPrincipal, UserPrincipal
from app.db.driver import Executor, SessionExecutor
from app.db.engine import Database
from app.db.failures import CommitLost, is_conflict, is_outage
from app.db.replica import Replica
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.audit.refusals import Refusal, RefusalLog
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.runtime.release.repository import ReleaseRepository
from app.errors import AppError, OutcomeUnknown
from app.pipeline.authentication import Authentication
from app.pipeline.claim_lease import ClaimLease
from app.pipeline.idempotency import Claim, IdempotencyRepository, claim_of
from botkeys.sealing.boxes import SecretBytes

ATTEMPTS = 5
_RELEASE_SECONDS = 1.0
"""How long the answer about a failed request may wait for its claim to be released."""


class RequestPipeline:
    """The pipeline of a process. `hmac_key` is the audit log's; requests are hashed with it too."""

    def __init__(
        self,
        *,
        database: Database,
        authentication: Authentication,
        write_limiter: AccountWriteLimiter,
        shares: Shares,
        hmac_key: SecretBytes,
        refusals: RefusalLog,
        metrics: Metrics,
        replica: Replica | None = None,
    ) -> None:
        self.authentication = authentication
        self.write_limiter = write_limiter
        self.shares = shares
        self.hmac_key = hmac_key
        self.refusals = refusals
        self.replica = replica
        self.read_sessions = database.read_sessions
        self._database = database
        self._metrics = metrics

    async def answer(
        self, request: Request, *, access: Access, reads: bool, check: Check, handle: Handler
    ) -> Response:
        database = self._database
        sessions = database.read_sessions if reads else database.sessions
        work = UnitOfWork(sessions, database.transactions, database.outcomes)
        request.scope["state"]["work"] = work
        passage = _Passage(self, request, access, work)
        try:
            return await self._answer(request, passage, check, handle)
        except Exception as error:
            if isinstance(error, CommitLost) or (work.changed and _is_outage(error)):
                raise OutcomeUnknown from error
            raise
        finally:
            passage.end()
            await work.close()

    async def _answer(
        self, request: Request, passage: "_Passage", check: Check, handle: Handler
    ) -> Response:
        try:
            return await passage.answer(check, handle)
        except OutcomeUnknown:
            raise
        except (AppError, RequestValidationError, HTTPException) as error:
            known = await passage.confirmed(_known(error, request))
            if isinstance(error.__cause__, ClientDisconnect):
                # Its body broke off: nobody was refused, and nobody waits for the answer.
                await passage.abandon()
                raise known from None
            self._metrics.refusals.labels(known.code).inc()
            await passage.refuse(known)
            raise known from None
        except BaseException:
            await passage.abandon()
            raise

    def lease(self, claim: Claim) -> ClaimLease:
        return ClaimLease(self._database.autocommit, claim)


class _Passage:
    """One request's passage through the pipeline."""

    __slots__ = ("_access", "_caller", "_claim", "_lease", "_pipeline", "_request", "_work")

    def __init__(
        self, pipeline: RequestPipeline, request: Request, access: Access, work: UnitOfWork
    ) -> None:
        self._pipeline = pipeline
        self._request = request
        self._access = access
        self._work = work
        self._caller: Caller | None = None
        self._claim: Claim | None = None
        self._lease: ClaimLease | None = None

    def end(self) -> None:
        """Stop renewing the claim, and make room for the next caller of a paced route."""
        if self._lease is not None:
            self._lease.end()
        if self._access.paced:
            admission: Admission | None = self._request.scope["state"].pop("admission", None)
            if admission is not None:
                admission.leave()

    async def answer(self, check: Check, handle: Handler) -> Response:
        caller = await self._authenticate()
        check(self._request)
        pipeline, account_id = self._pipeline, caller.account_id
        share = pipeline.shares.for_route(self._access)
        if share is not None:
            return await self._within(share, caller, handle)
        if self._access.for_bots:
            return await self._claimed(caller, handle)
        async with pipeline.write_limiter.slot(account_id) as slot:
            state = self._request.scope["state"]
            state["write_slot"], state["dear_place"] = slot, pipeline.shares.dear_for(account_id)
            return await self._claimed(caller, handle)

    async def _within(self, share: Share, caller: Caller, handle: Handler) -> Response:
        """Answer within the account's share of the connections, and in time if it is dear."""
        account_id = caller.account_id
        if not share.take_now(account_id):
            await share.take(account_id)
        try:
            if not self._access.dear:
                return await self._claimed(caller, handle)
            async with asyncio.timeout(self._pipeline.shares.dear_seconds):
                return await self._read_dearly(caller, handle)
        finally:
            share.give_back(account_id)

    async def _read_dearly(self, caller: Caller, handle: Handler) -> Response:
        """Answer from the standby if it has caught up, and from the primary if it fails."""
        replica = self._pipeline.replica
        if replica is not None and await replica.has_caught_up():
            await self._work.read_from(replica.sessions)
            try:
                return await self._claimed(caller, handle)
            except Exception as error:
                if not (is_outage(error) or is_conflict(error)):
                    raise
                replica.leave_alone()
                await self._work.read_from(self._pipeline.read_sessions)
        return await self._claimed(caller, handle)

    async def confirmed(self, error: AppError) -> AppError:
        """Return the refusal, or that the token is not valid if that was left to the endpoint."""
        if self._caller is None or not self._access.confirms:
            return error
        authentication = self._pipeline.authentication
        return await authentication.confirm(self._request, self._caller.bot, error)

    async def _authenticate(self) -> Caller:
        """Authenticate the caller.

        A caller that is then refused is remembered, so that the refusal is recorded under its name.
        """
        request, access = self._request, self._access
        address = request.client.host if request.client else ""
        state = request.scope["state"]
        ids = state["own_request_id"], state["client_request_id"]
        if access.for_bots:
            bot = await self._pipeline.authentication.bot(request, access)
            caller = self._caller = state["caller"] = Caller(bot, address, *ids)
        else:
            user = await self._pipeline.authentication.user(request)
            caller = self._caller = state["caller"] = Caller(user, address, *ids)
            await self._pipeline.authentication.admit(user, request, access)
        return caller

    async def _claimed(self, caller: Caller, handle: Handler) -> Response:
        if self._access.replayable:
            stored = await self._take_claim(caller)
            if stored is not None:
                return stored
        try:
            return await self._attempt(handle)
        except Exception as error:
            if not is_conflict(error):
                raise
        async for attempt in stamina.retry_context(
            on=is_conflict,
            attempts=ATTEMPTS - 1,
            timeout=5,
            wait_initial=0.005,
            wait_max=0.2,
            wait_jitter=0.05,
        ):
            with attempt:
                await self._work.rollback()
                response = await self._attempt(handle)
        return response

    async def _attempt(self, handle: Handler) -> Response:
        """Run the handler, then store its response for a repeated request and commit."""
        response = await handle(self._request)
        if self._claim is not None:
            await IdempotencyRepository(session=self._work.session).store(self._claim, response)
        await self._work.commit()
        self._claim = None
        return response

    async def _take_claim(self, caller: Caller) -> Response | None:
        """Claim the request's Idempotency-Key, if any; return the stored response, if any.

        The claim is committed at once: no transaction stays open while an exchange is asked.
        """
        claim = await claim_of(
            self._request,
            self._pipeline.hmac_key,
            caller.account_id,
            action=self._access.action,
            secret=self._access.answers_secret,
        )
        if claim is None:
            return None
        work = self._work
        await self._enter(caller.user)
        held = await IdempotencyRepository(session=work.session).claim(claim)
        await work.commit_own()
        if isinstance(held, Response):
            return held
        self._claim = held
        self._lease = self._pipeline.lease(held)
        return None

    async def _enter(self, user: UserPrincipal) -> None:
        """Lock the account, also one that is being closed, and check that it is open.

        While an account is being closed, the request that closes it gets its stored response again;
        a new request of that kind checks the account itself.
        """
        status = await AccountRepository(
            session=self._work.session, user=user
        ).lock_shared_in_any_status()
        if not self._access.while_closing or status.closing_at is None:
            status.require_open(user)

    async def refuse(self, error: AppError) -> None:
        """Roll back everything, then record the refusal of a write in a transaction of its own.

        Of many that are alike, most are only counted. A token without any scope records nothing.
        """
        work, caller = self._work, self._caller
        await work.rollback()
        action = self._access.action
        if action is None or caller is None:
            return
        members = _audited_members(error)
        refusal = Refusal(
            caller.account_id,
            caller.kind,
            caller.name,
            action,
            error.code,
            tuple(members.items()),
        )
        refusals = self._pipeline.refusals
        record = caller.may_act and refusals.admit(refusal, caller)
        if not record and self._claim is None:
            return
        try:
            if record and isinstance(caller.principal, UserPrincipal):
                await AccountRepository(session=work.session, user=caller.principal).ensure_exists()
            await self._release_claim()
            if record:
                # Bots' audited calls are hot: they have no session.
                executor = (
                    work.transaction if self._access.for_bots else SessionExecutor(work.session)
                )
                # The bot's lock comes before that of the audit log's head.
                bot = await _lock_bot(executor, caller)
                await AuditLog(executor, self._pipeline.hmac_key, caller).record(
                    action, outcome="refused", code=error.code, **members
                )
                if bot is not None:
                    # A release is the only call of bots whose refusal is recorded.
                    await EventLog(executor, bot.account_id).add(
                        EventType.RELEASE_REFUSED, bot_id=bot.bot_id, code=error.code
                    )
            await work.commit_own()
        except BaseException:
            refusals.forget(refusal)
            raise

    async def abandon(self) -> None:
        """Roll back everything after an internal failure or a client's disconnect."""
        try:
            await self._work.rollback()
            if self._claim is not None:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._release_claim()
                    await self._work.commit_own()
        except Exception as error:
            # The claim lapses in a few seconds.
            if not is_outage(error):
                raise

    async def _release_claim(self) -> None:
        if self._claim is not None:
            await IdempotencyRepository(session=self._work.session).release(self._claim)
            self._claim = None


async def _lock_bot(executor: Executor, caller: Caller) -> BotPrincipal | None:
    """Lock the calling bot; return `None` if no bot calls, or if it is gone."""
    bot = caller.principal
    if not isinstance(bot, BotPrincipal):
        return None
    releases = ReleaseRepository(executor=executor, account_id=bot.account_id, bot_id=bot.bot_id)
    return bot if await releases.lock_assignment() else None


def _is_outage(error: Exception) -> bool:
    """Return whether the answer would say that nothing was changed."""
    return not isinstance(error, AppError) and (is_outage(error) or is_conflict(error))


def _known(error: AppError | RequestValidationError | HTTPException, request: Request) -> AppError:
    """Return the service's own error for an error of the framework."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        return validation_problem(error, request)
    return from_http_exception(error, request)


def _audited_members(error: AppError) -> dict[str, str]:
    """Return the members of a problem that an audit entry repeats: short words only."""
    return {
        name: value
        for name, value in error.members.items()
        if name in ("reason", "required") and isinstance(value, str)
    }
