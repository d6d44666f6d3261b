"""Creates the key services of a request."""

from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from app.api.route import CurrentCaller, CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.api.write_limiter import released
from app.auth.caller import Caller
from app.context import Context, CurrentContext
from app.db.models import Key
from app.domains.accounts.quotas import Quota
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.bots.repository import BotRepository
from app.domains.catalogue.leverages import KeyLeverages
from app.domains.deletion.repository import DeletionRepository
from app.domains.events.deps import event_log
from app.domains.keys.credential_check import CredentialCheck
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.credential_sealer import CredentialSealer
from app.domains.keys.deletion_service import KeyDeletionService
from app.domains.keys.margin_modes import MarginModes
from app.domains.keys.pair_service import PairService
from app.domains.keys.replacement_service import ReplacementService
from app.domains.keys.repository import KeyRepository
from app.domains.keys.serializers import KeyDocuments
from app.domains.keys.service import KeyService
from app.domains.operations.repository import OperationRepository


async def key_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, request: Request
) -> KeyService:
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return KeyService(
        session=work.session,
        keys=KeyRepository(
            session=work.session, executor=context.database.autocommit, account_id=caller.account_id
        ),
        credentials=CredentialRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        vault=context.api,
        sealer=CredentialSealer(session=work.session, keyring=context.api.sealing),
        check=_check(context, caller, request),
        leverages=KeyLeverages(session=work.session, account_id=caller.account_id),
        refresher=context.catalogues,
        bots=BotRepository(session=work.session, account_id=caller.account_id),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        quota=_quota(work, context, caller),
    )


async def deletion_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> KeyDeletionService:
    account_id = caller.account_id
    return KeyDeletionService(
        keys=KeyRepository(
            session=work.session, executor=context.database.autocommit, account_id=account_id
        ),
        credentials=CredentialRepository(session=work.session, account_id=account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        deletions=DeletionRepository(session=work.session, account_id=account_id),
        operations=OperationRepository(session=work.session, account_id=account_id),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
    )


async def replacement_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, request: Request
) -> ReplacementService:
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return ReplacementService(
        session=work.session,
        keys=KeyRepository(
            session=work.session, executor=context.database.autocommit, account_id=caller.account_id
        ),
        credentials=CredentialRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        vault=context.api,
        sealer=CredentialSealer(session=work.session, keyring=context.api.sealing),
        check=_check(context, caller, request),
        leverages=KeyLeverages(session=work.session, account_id=caller.account_id),
        modes=MarginModes(session=work.session, account_id=caller.account_id),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
    )


async def pair_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, request: Request
) -> PairService:
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return PairService(
        session=work.session,
        keys=KeyRepository(
            session=work.session, executor=context.database.autocommit, account_id=caller.account_id
        ),
        credentials=CredentialRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        vault=context.api,
        sealer=CredentialSealer(session=work.session, keyring=context.api.sealing),
        generator=context.pairs,
        limit=context.limits.key_checks,
        aside=partial(released, request),
        account_id=caller.account_id,
        exchanges=context.exchanges,
        refresher=context.catalogues,
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        quota=_quota(work, context, caller),
    )


def _quota(work: UnitOfWork, context: Context, caller: Caller) -> Quota:
    return Quota(
        session=work.session,
        account_id=caller.account_id,
        model=Key,
        most=context.settings.keys_per_account,
    )


def _check(context: Context, caller: Caller, request: Request) -> CredentialCheck:
    settings = context.settings
    return CredentialCheck(
        exchanges=context.exchanges,
        metrics=context.metrics,
        limit=context.limits.key_checks,
        aside=partial(released, request),
        turn=partial(context.key_checks.slot, caller.account_id),
        account_id=caller.account_id,
        timeout=settings.key_check_timeout,
        refuse_withdrawal=settings.refuse_withdrawal,
    )


async def key_documents(context: CurrentContext) -> KeyDocuments:
    return KeyDocuments(refuse_withdrawal=context.settings.refuse_withdrawal)


Deletions = Annotated[KeyDeletionService, Depends(deletion_service)]
Documents = Annotated[KeyDocuments, Depends(key_documents)]
Pairs = Annotated[PairService, Depends(pair_service)]
Replacements = Annotated[ReplacementService, Depends(replacement_service)]
Service = Annotated[KeyService, Depends(key_service)]
