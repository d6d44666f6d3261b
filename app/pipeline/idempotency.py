"""`Idempotency-Key`: a repeated write is answered again but not executed again.

A first request claims its key in a transaction of its own, before anything else is done; its
response is stored in the transaction that does the work. A claim is held for a few seconds and
renewed while its request runs (`claim_lease`), so that of a dead request it lapses soon. A request
that survives, but finishes after another one took its key, rolls back its work. Refusals are not
stored: they changed nothing, so repeating them is safe and may succeed by then.

A response that holds a secret is stored encrypted. What opens it is derived from the key that the
caller sent, of which the database has only a hash.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.pipeline import MAX_IDEMPOTENCY_KEY
from app.db.clock import NOW
from app.db.models import IdempotencyRecord
from app.errors import IdempotencyKeyReused, InvalidRequest, RequestInProgress
from botkeys.sealing.binding import encode
from botkeys.sealing.boxes import SecretBytes

CLAIM = timedelta(seconds=5)
RETENTION = timedelta(hours=24)
_LABEL = "botkeys/idempotency/1"
_KEY_LABEL = "botkeys/idempotency-key/1"
_BODY_LABEL = "botkeys/idempotency-body/1"
_NONCE_BYTES = 12
_LONGEST_TARGET = 4096
_KEPT_HEADERS = ("location", "etag", "content-type")


def read_key(value: str) -> str:
    """Return the header's value: 1 to 255 visible ASCII characters, else raise `InvalidRequest`."""
    if not 0 < len(value) <= MAX_IDEMPOTENCY_KEY or not all("!" <= c <= "~" for c in value):
        fault = {
            "loc": ["header", "Idempotency-Key"],
            "type": "idempotency_key_invalid",
            "msg": f"Send it once, as 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters, "
            "without spaces",
        }
        raise InvalidRequest([fault])
    return value


def key_hash(hmac_key: SecretBytes, key: str) -> str:
    """Return the stored hash of a key, 64 characters; the key itself may contain a secret."""
    text = encode(_KEY_LABEL, key)
    return hmac.new(bytes(hmac_key.reveal()), text, hashlib.sha256).hexdigest()


def request_hash(hmac_key: SecretBytes, method: str, target: str, body: bytes) -> bytes:
    """Return a hash of the request, 32 bytes. It is keyed, since a body may contain a secret.

    A target too long for a field of the hashed text stands there as its own hash.
    """
    sent = target.encode("utf-8", "surrogatepass")
    if len(sent) > _LONGEST_TARGET:
        target = f"sha256:{hashlib.sha256(sent).hexdigest()}"
    text = encode(_LABEL, method, target) + hashlib.sha256(body).digest()
    return hmac.new(bytes(hmac_key.reveal()), text, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's hold on its key; `key` is the hash of the key.

    `since` distinguishes it from a later hold; it is set once the key is taken. `cipher` encrypts
    the response of a route whose responses hold secrets.
    """

    account_id: UUID
    key: str
    hash: bytes
    since: datetime | None = None
    action: str | None = None
    cipher: AESGCM | None = None


async def claim_of(
    request: Request, hmac_key: SecretBytes, account_id: UUID, *, action: str | None, secret: bool
) -> Claim | None:
    """Return the request's claim, `None` without an Idempotency-Key; raise as `read_key` does."""
    headers = request.headers.getlist("idempotency-key")
    if not headers:
        return None
    # Two have two readings: proxies may join them, or pass on either.
    header = headers[0] if len(headers) == 1 else ""
    target = request.url.path + "?" + request.url.query
    key = read_key(header)
    return Claim(
        account_id,
        key_hash(hmac_key, key),
        request_hash(hmac_key, request.method, target, await request.body()),
        action=action,
        cipher=_cipher(hmac_key, key) if secret else None,
    )


def _cipher(hmac_key: SecretBytes, key: str) -> AESGCM:
    return AESGCM(hmac.digest(hmac_key.reveal(), encode(_BODY_LABEL, key), hashlib.sha256))


class IdempotencyRepository:
    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def claim(self, claim: Claim) -> Claim | Response:
        """Take the key and return the claim, or the stored response of the earlier request.

        Raises `RequestInProgress` while that request is running, `IdempotencyKeyReused` if it was a
        different request.
        """
        table = IdempotencyRecord
        fresh: dict[str, Any] = {
            "request_hash": claim.hash,
            "action": claim.action,
            "claimed_until": NOW + CLAIM,
            "status": None,
            "headers": None,
            "body": None,
            "created_at": NOW,
        }
        new = insert(table).values(account_id=claim.account_id, idempotency_key=claim.key, **fresh)
        lapsed = table.status.is_(None) & (table.claimed_until < new.excluded.created_at)
        aged = new.excluded.created_at - table.created_at > RETENTION
        since = await self._session.scalar(
            new.on_conflict_do_update(
                index_elements=[table.account_id, table.idempotency_key],
                set_={name: new.excluded[name] for name in fresh},
                where=lapsed | aged,
            ).returning(table.created_at)
        )
        if since is not None:
            return replace(claim, since=since)
        row = (
            await self._session.execute(
                select(table.request_hash, table.status, table.headers, table.body).where(
                    *self._row(claim)
                )
            )
        ).one_or_none()
        if row is None:
            raise RequestInProgress
        if not hmac.compare_digest(row.request_hash, claim.hash):
            raise IdempotencyKeyReused
        if row.status is None:
            raise RequestInProgress
        headers = {**row.headers, "Idempotency-Replayed": "true"}
        body = row.body
        if claim.cipher is not None:
            headers["Cache-Control"] = "no-store"
            body = claim.cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], claim.hash)
        return Response(body, status_code=row.status, headers=headers)

    async def store(self, claim: Claim, response: Response) -> None:
        """Store the response in the transaction that did the work.

        Raises `RequestInProgress` if the claim lapsed and another request holds the key by now.
        """
        headers = {
            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
        }
        body = bytes(response.body)
        if claim.cipher is not None:
            nonce = os.urandom(_NONCE_BYTES)
            body = nonce + claim.cipher.encrypt(nonce, body, claim.hash)
        kept = await self._session.scalar(
            update(IdempotencyRecord)
            .where(*self._held(claim))
            .values(status=response.status_code, headers=headers, body=body)
            .returning(IdempotencyRecord.idempotency_key)
        )
        if kept is None:
            raise RequestInProgress

    async def release(self, claim: Claim) -> None:
        """Release the key: the request was refused or failed, and changed nothing."""
        await self._session.execute(delete(IdempotencyRecord).where(*self._held(claim)))

    def _held(self, claim: Claim) -> tuple[Any, ...]:
        return (
            *self._row(claim),
            IdempotencyRecord.status.is_(None),
            IdempotencyRecord.created_at == claim.since,
        )

    @staticmethod
    def _row(claim: Claim) -> tuple[Any, Any]:
        return (
            IdempotencyRecord.account_id == claim.account_id,
            IdempotencyRecord.idempotency_key == claim.key,
        )
