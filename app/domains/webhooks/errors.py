"""Refusals that concern webhooks.

AppError
├── WebhookQuotaReached      409 webhook_quota_reached, with `limit`
├── WebhookInactive          409 webhook_inactive
├── EventExpired             410 event_expired
└── WebhooksUnavailable      503 webhooks_unavailable
"""

from app.errors import AppError


class WebhookQuotaReached(AppError):
    """`limit` is how many webhooks of an account there may be."""

    status = 409
    code = "webhook_quota_reached"
    title = "The account has as many webhooks as it may have"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"An account has at most {limit} webhooks. Delete one that is no longer used.",
            limit=limit,
        )


class WebhookInactive(AppError):
    status = 409
    code = "webhook_inactive"
    title = "The webhook is not active"
    detail = "Nothing is sent to a webhook that is not active. Activate it first."


class EventExpired(AppError):
    status = 410
    code = "event_expired"
    title = "The event is no longer kept"
    detail = "Events are kept for 30 days, or until their data are deleted. This one is gone."


class WebhooksUnavailable(AppError):
    """The process has no key of webhooks: the installation is older than they are."""

    status = 503
    code = "webhooks_unavailable"
    title = "This installation has no webhooks yet"
    detail = (
        "The service's operator has to create the key file `webhook-key` first "
        "(`botkeys master-key create --only webhook-key`), copy it to the folders of the role api "
        "and of the worker that sends, and restart them. Everything else works without it."
    )
