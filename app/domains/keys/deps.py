"""Creates the key services of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.domains.accounts.repository import AccountRepository
from app.domains.bots.repository import BotRepository
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.deletion.repository import DeletionRepository
from app.domains.keys.credential_check import CredentialCheck
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.deletion_service import KeyDeletionService
from app.domains.keys.replacement_service import ReplacementService
from app.domains.keys.repository import KeyRepository
from app.domains.keys.service import KeyService
from app.domains.operations.repository import OperationRepository


async def key_service(work: CurrentWork) -> KeyService:
    context = work.context
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return KeyService(
        work.session,
        KeyRepository(work.session, context.database.autocommit, work.caller.account_id),
        CredentialRepository(work.session, work.caller.account_id),
        AccountRepository(work.session),
        context.api,
        _check(work),
        CatalogueRepository(work.session),
        context.catalogues,
        BotRepository(work.session, work.caller.account_id),
        work.audit(),
    )


async def deletion_service(work: CurrentWork) -> KeyDeletionService:
    account_id = work.caller.account_id
    return KeyDeletionService(
        KeyRepository(work.session, work.context.database.autocommit, account_id),
        CredentialRepository(work.session, account_id),
        AccountRepository(work.session),
        DeletionRepository(work.session, account_id),
        OperationRepository(work.session, account_id),
        work.audit(),
    )


async def replacement_service(
    work: CurrentWork,
) -> ReplacementService:
    context = work.context
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return ReplacementService(
        work.session,
        KeyRepository(work.session, context.database.autocommit, work.caller.account_id),
        CredentialRepository(work.session, work.caller.account_id),
        AccountRepository(work.session),
        context.api,
        _check(work),
        CatalogueRepository(work.session),
        work.audit(),
    )


def _check(work: UnitOfWork) -> CredentialCheck:
    context = work.context
    settings = context.settings
    return CredentialCheck(
        context.exchanges,
        context.metrics,
        context.limiter,
        work.released,
        timeout=settings.key_check_timeout,
        per_minute=settings.key_checks_per_minute,
        refuse_withdrawal=settings.withdrawal_policy == "reject",
    )


Deletions = Annotated[KeyDeletionService, Depends(deletion_service)]
Replacements = Annotated[ReplacementService, Depends(replacement_service)]
Service = Annotated[KeyService, Depends(key_service)]
