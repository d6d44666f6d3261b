"""Creates the webhook service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.custody.webhook_keys import WebhookKeys
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.webhooks.errors import WebhooksUnavailable
from app.domains.webhooks.repository import WebhookRepository
from app.domains.webhooks.serializers import WebhookDocuments
from app.domains.webhooks.service import WebhookService


async def webhook_keys(context: CurrentContext) -> WebhookKeys:
    """Return the key of webhooks; raise `WebhooksUnavailable`."""
    if context.api is None or context.api.webhooks is None:
        raise WebhooksUnavailable
    return context.api.webhooks


Keys = Annotated[WebhookKeys, Depends(webhook_keys)]


async def webhook_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, keys: Keys
) -> WebhookService:
    return WebhookService(
        webhooks=WebhookRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        keys=keys,
        account_id=caller.account_id,
        allowed=context.settings.webhook_exceptions,
        most=context.settings.webhooks_per_account,
    )


async def webhook_documents(caller: CurrentCaller, keys: Keys) -> WebhookDocuments:
    return WebhookDocuments(keys, caller.account_id)


Service = Annotated[WebhookService, Depends(webhook_service)]
Documents = Annotated[WebhookDocuments, Depends(webhook_documents)]
