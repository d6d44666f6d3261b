"""Webhooks as documents."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.custody.webhook_keys import WebhookKeys
from app.db.base import AnyRow

_NAMES = ("id", "types", "format", "active", "failing_since", "created_at", "updated_at")


class WebhookDocuments:
    """Makes the documents of one account's webhooks."""

    def __init__(self, keys: WebhookKeys, account_id: UUID) -> None:
        self._keys = keys
        self._account_id = account_id

    def webhook(self, row: AnyRow) -> dict[str, Any]:
        """Return the members of `schemas.Webhook`."""
        until = row.former_secret_until
        disabled = None
        if row.disabled_at is not None:
            disabled = {"at": row.disabled_at, "reason": row.disabled_reason}
        return {
            **{name: getattr(row, name) for name in _NAMES},
            "url": self._keys.open_url(self._account_id, row.id, row.sealed_url),
            "public_key": self._keys.public_key(self._account_id, row.id, row.secret_version),
            "former_secret_until": until if until and until > datetime.now(UTC) else None,
            "disabled": disabled,
        }

    def with_secret(self, row: AnyRow) -> dict[str, Any]:
        """Return the members of `schemas.NewWebhookSecret`."""
        secret = self._keys.secret(self._account_id, row.id, row.secret_version)
        return {**self.webhook(row), "secret": secret.reveal()}


def delivery_document(row: AnyRow) -> dict[str, Any]:
    """Return the members of `schemas.WebhookDelivery`."""
    return row._asdict()
