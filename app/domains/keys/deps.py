"""Makes the key service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.api.unit_of_work import Unit
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


async def key_service(unit: CurrentUnit) -> KeyService:
    context = unit.context
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return KeyService(
        unit.session,
        KeyRepository(unit.session, context.database.reader, unit.caller.account_id),
        CredentialRepository(unit.session, unit.caller.account_id),
        AccountRepository(unit.session),
        context.api,
        _check(unit),
        CatalogueRepository(unit.session),
        context.catalogues,
        BotRepository(unit.session, unit.caller.account_id),
        unit.audit(),
    )


async def deletion_service(unit: CurrentUnit) -> KeyDeletionService:
    account_id = unit.caller.account_id
    return KeyDeletionService(
        KeyRepository(unit.session, unit.context.database.reader, account_id),
        CredentialRepository(unit.session, account_id),
        AccountRepository(unit.session),
        DeletionRepository(unit.session, account_id),
        OperationRepository(unit.session, account_id),
        unit.audit(),
    )


async def replacement_service(
    unit: CurrentUnit,
) -> ReplacementService:
    context = unit.context
    if context.api is None:
        raise RuntimeError("routes of keys are served by a process without the role api")
    return ReplacementService(
        unit.session,
        KeyRepository(unit.session, context.database.reader, unit.caller.account_id),
        CredentialRepository(unit.session, unit.caller.account_id),
        AccountRepository(unit.session),
        context.api,
        _check(unit),
        CatalogueRepository(unit.session),
        unit.audit(),
    )


def _check(unit: Unit) -> CredentialCheck:
    context = unit.context
    settings = context.settings
    return CredentialCheck(
        context.exchanges,
        context.metrics,
        context.limiter,
        unit.aside,
        timeout=settings.key_check_timeout,
        per_minute=settings.key_checks_per_minute,
        refuse_withdrawal=settings.withdrawal_policy == "reject",
    )


Deletions = Annotated[KeyDeletionService, Depends(deletion_service)]
Replacements = Annotated[ReplacementService, Depends(replacement_service)]
Service = Annotated[KeyService, Depends(key_service)]
