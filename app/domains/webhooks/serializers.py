"""Webhooks as documents."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.custody.webhook_keys import WebhookKeys
from app.db.base import AnyRow
from botkeys.sealing.errors import CannotOpen

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
            "url": url_of(self._keys, row),
            "public_key": self._keys.public_key(self._account_id, row.id, row.secret_version),
            "former_secret_until": until if until and until > datetime.now(UTC) else None,
            "disabled": disabled,
        }

    def with_secret(self, row: AnyRow) -> dict[str, Any]:
        """Return the members of `schemas.WebhookWithSecret`."""
        secret = self._keys.secret(self._account_id, row.id, row.secret_version)
        return {**self.webhook(row), "secret": secret.reveal()}


def url_of(keys: WebhookKeys, row: AnyRow) -> str | None:
    """Return a webhook's address; `None` if it was encrypted with a key that was lost."""
    try:
        return keys.open_url(row.account_id, row.id, row.sealed_url)
    except CannotOpen:
        return None


def delivery_document(row: AnyRow) -> dict[str, Any]:
    """Return the members of `schemas.WebhookDelivery`."""
    return row._asdict()
