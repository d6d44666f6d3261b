"""Routes of webhooks (role `api`)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.preconditions import Expected, etag
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.db.base import AnyRow
from app.domains.webhooks import errors
from app.domains.webhooks.deps import Documents, Service
from app.domains.webhooks.schemas import (
    DeliveryStatus,
    SecretRotation,
    Webhook,
    WebhookChange,
    WebhookCreate,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookPage,
    WebhookWithSecret,
)
from app.domains.webhooks.serializers import delivery_document

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["webhooks"],
    route_class=EdgeRoute,
    responses=problems(errors.WebhooksUnavailable),
)
# A webhook carries what happens in the account to another place.
_SCOPE = Scope.ACCOUNT_ADMIN
_OVERLAPPING = SecretRotation()


def _answer(document: Any, row: AnyRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(document, status=status, headers={"ETag": etag(row.revision), **headers})


def _secret(document: Any, row: AnyRow, *, status: int = 200, **headers: str) -> Response:
    response = _answer(document, row, status=status, **headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def _queued(row: AnyRow) -> Response:
    location = f"/v1/webhooks/{row.webhook_id}/deliveries"
    return json_answer(delivery_document(row), status=202, headers={"Location": location})


@router.get("", operation_id="listWebhooks", summary="List webhooks", response_model=WebhookPage)
@for_users(_SCOPE)
async def list_webhooks(
    service: Service, documents: Documents, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the account's webhooks, newest first."""
    cursors = IdCursors("webhooks")
    page = await service.page(cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, documents.webhook))


@router.post(
    "",
    operation_id="addWebhook",
    summary="Add a webhook",
    status_code=201,
    response_model=WebhookWithSecret,
    responses=problems(errors.WebhookQuotaReached),
)
@for_users(_SCOPE, action="webhook.add", answers_secret=True)
async def add_webhook(new: WebhookCreate, service: Service, documents: Documents) -> Response:
    """Add an address that gets the account's events from now on.

    Its secret is shown in this answer, and in that of a repetition with the same Idempotency-Key.
    """
    row = await service.add(new)
    location = f"/v1/webhooks/{row.id}"
    return _secret(documents.with_secret(row), row, status=201, Location=location)


@router.get(
    "/{webhook_id}",
    operation_id="getWebhook",
    summary="Get a webhook",
    response_model=Webhook,
)
@for_users(_SCOPE)
async def get_webhook(webhook_id: UUID, service: Service, documents: Documents) -> Response:
    """Return one webhook."""
    row = await service.get(webhook_id)
    return _answer(documents.webhook(row), row)


@router.patch(
    "/{webhook_id}",
    operation_id="changeWebhook",
    summary="Change, activate or deactivate a webhook",
    response_model=Webhook,
)
@for_users(_SCOPE, action="webhook.change", answers_secret=True)
async def change_webhook(
    webhook_id: UUID,
    change: WebhookChange,
    service: Service,
    documents: Documents,
    expected: Expected,
) -> Response:
    """Change address, types or format, or switch the webhook on or off."""
    row = await service.change(webhook_id, change, expected)
    return _answer(documents.webhook(row), row)


@router.delete(
    "/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    status_code=204,
)
@for_users(_SCOPE, action="webhook.delete")
async def delete_webhook(webhook_id: UUID, service: Service, expected: Expected) -> Response:
    """Delete a webhook with its deliveries. An attempt that is under way may still arrive."""
    await service.remove(webhook_id, expected)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Rotate a webhook's secret",
    response_model=WebhookWithSecret,
)
@for_users(_SCOPE, action="webhook.rotate_secret", answers_secret=True)
async def rotate_webhook_secret(
    webhook_id: UUID,
    service: Service,
    documents: Documents,
    expected: Expected,
    rotation: SecretRotation = _OVERLAPPING,
) -> Response:
    """Give the webhook new secrets, of both kinds; the former ones sign as well for 24 hours.

    A second rotation ends the former secrets at once, as `end_former` does. If the answer is lost,
    repeat the request with its Idempotency-Key: it shows the secret again.
    """
    row = await service.rotate(webhook_id, expected, end_former=rotation.end_former)
    return _secret(documents.with_secret(row), row)


@router.post(
    "/{webhook_id}/test",
    operation_id="testWebhook",
    summary="Send a test to a webhook",
    status_code=202,
    response_model=WebhookDelivery,
)
@for_users(_SCOPE, action="webhook.test")
async def test_webhook(webhook_id: UUID, service: Service) -> Response:
    """Queue a message of the type `webhook.test`, also if the webhook is not active."""
    return _queued(await service.test(webhook_id))


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List a webhook's deliveries",
    response_model=WebhookDeliveryPage,
)
@for_users(_SCOPE)
async def list_webhook_deliveries(
    webhook_id: UUID,
    service: Service,
    status: Annotated[
        DeliveryStatus | None, Query(description="Only deliveries in this state.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List deliveries, newest first: those that arrived for 3 days, all others for 30."""
    cursors = IdCursors("webhook deliveries", webhook=webhook_id, status=status)
    page = await service.deliveries(webhook_id, status, cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, delivery_document))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id="replayWebhookDelivery",
    summary="Send an event to a webhook again",
    status_code=202,
    response_model=WebhookDelivery,
    responses=problems(errors.WebhookInactive, errors.EventExpired),
)
@for_users(_SCOPE, action="webhook.replay")
async def replay_webhook_delivery(
    webhook_id: UUID, delivery_id: UUID, service: Service
) -> Response:
    """Queue the delivery's event once more, as a delivery of its own."""
    return _queued(await service.replay(webhook_id, delivery_id))
