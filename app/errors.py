"""The errors that a caller may see, as one tree. Only `problems.py` turns them into HTTP.

AppError
├── MalformedRequest         400 malformed_request
├── RequestTimeout           408 request_timeout
├── RequestHeadTooLarge      431 request_head_too_large, with `limit`
├── TooManyConnections       429 too_many_connections, with `retry_after`
├── NotFound                 404 not_found
├── InvalidRequest           422 invalid_request, with `errors`
├── PreconditionFailed       412 precondition_failed
├── RequestInProgress        409 request_in_progress
├── IdempotencyKeyReused     422 idempotency_key_reused
├── BodyTooLarge             413 body_too_large
├── UnsupportedMediaType     415 unsupported_media_type
├── MethodNotAllowed         405 method_not_allowed
├── RateLimited              429 rate_limited, with `retry_after`
├── Unavailable              503 unavailable, with `retry_after`
│   └── OutcomeUnknown       503 outcome_unknown, with `retry_after`
├── InternalError            500 internal_error
└── each domain's own, beside its service (`app/domains/*/errors.py`)
"""

import math
from typing import Any, ClassVar, NamedTuple


class AppError(Exception):
    """An error response.

    `status` and `code` are the contract; `detail` is a sentence of ours, safe to show, that says
    what is wrong and how to fix it; `members` are the typed extras of the problem document, of
    which `member_names` lists those that this class may have.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    member_names: ClassVar[tuple[str, ...]] = ()
    detail: str = "The service failed to process the request. Nothing was changed."

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        if detail is not None:
            self.detail = detail
        self.members = members
        super().__init__(self.code)

    @property
    def headers(self) -> dict[str, str]:
        """Return the response's extra headers."""
        return {}

    @property
    def cookies(self) -> tuple[str, ...]:
        """Return the values of the response's headers Set-Cookie."""
        return ()


class InternalError(AppError):
    pass


class MalformedRequest(AppError):
    """Not HTTP/1.1 in a form that every server reads alike; the connection ends."""

    status = 400
    code = "malformed_request"
    title = "The request is not well-formed HTTP"
    detail = (
        "The request is not well-formed HTTP/1.1: it needs exactly one header Host, and one "
        "Content-Length or `Transfer-Encoding: chunked` if it has a body."
    )


class RequestTimeout(AppError):
    status = 408
    code = "request_timeout"
    title = "The request took too long to arrive"
    detail = "The request did not arrive in time. Nothing was changed; send it again."


class RequestHeadTooLarge(AppError):
    status = 431
    code = "request_head_too_large"
    title = "The request's head is too large"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Address and headers together are larger than {limit} bytes. Send less.", limit=limit
        )


class TooManyConnections(AppError):
    """Too many connections from one address."""

    status = 429
    code = "too_many_connections"
    title = "Too many connections"
    member_names = ("retry_after",)
    detail = (
        "Your address has too many open connections. Close some, or use them for more requests."
    )

    def __init__(self) -> None:
        super().__init__(retry_after=5)

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class NotFound(AppError):
    status = 404
    code = "not_found"
    title = "Not found"
    detail = "Your account has no object at this address."


class MethodNotAllowed(AppError):
    status = 405
    code = "method_not_allowed"
    title = "The method is not allowed"
    detail = "This address does not support the method."


class BodyTooLarge(AppError):
    status = 413
    code = "body_too_large"
    title = "The body is too large"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes. Send less data per request.", limit=limit
        )


class UnsupportedMediaType(AppError):
    status = 415
    code = "unsupported_media_type"
    title = "The media type is not supported"
    detail = "Send the body as uncompressed JSON with the header `Content-Type: application/json`."

    def __init__(self, files: tuple[str, ...] = ()) -> None:
        """Take the media types of a route that takes a file."""
        kinds = ", ".join(f"`{media_type}`" for media_type in files)
        super().__init__(
            f"Send the file uncompressed, with one of these as `Content-Type`: {kinds}."
            if files
            else None
        )


MOST_FAULTS = 20
"""How many faults of a request are listed; a last entry counts the others."""


class InvalidRequest(AppError):
    """The request is invalid; `errors` is a list of `{loc, type, msg}` without sent values.

    `unlisted` is the number of faults that are not in the list already.
    """

    status = 422
    code = "invalid_request"
    title = "The request is not valid"
    member_names = ("errors",)
    detail = "Part of the request is not valid; `errors` lists each part and why."

    def __init__(
        self, errors: list[dict[str, Any]], detail: str | None = None, *, unlisted: int = 0
    ) -> None:
        listed = errors[:MOST_FAULTS]
        unlisted += len(errors) - len(listed)
        if unlisted:
            more = f"{unlisted} more faults are not listed"
            listed.append({"loc": listed[0]["loc"][:1], "type": "more_faults", "msg": more})
        super().__init__(detail, errors=listed)


class PreconditionFailed(AppError):
    status = 412
    code = "precondition_failed"
    title = "The object has changed"
    detail = (
        "The object has changed since you read it. Read it again, and repeat the change if it "
        "still applies."
    )


class RequestInProgress(AppError):
    status = 409
    code = "request_in_progress"
    title = "The same request is in progress"
    detail = "A request with this Idempotency-Key is still running. Repeat it in a few seconds."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class IdempotencyKeyReused(AppError):
    status = 422
    code = "idempotency_key_reused"
    title = "The Idempotency-Key was used for another request"
    detail = "This Idempotency-Key was used for another request. Use a new key for each request."


class RatePolicy(NamedTuple):
    """A limit as its headers describe it: `quota` requests in `seconds`, by the limit's name."""

    name: str
    quota: int
    seconds: float


class RateLimited(AppError):
    """Too many requests; `retry_after` is in whole seconds.

    With a `policy`, the response has the headers `RateLimit-Policy` and `RateLimit` in the form of
    draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
    """

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    member_names: ClassVar[tuple[str, ...]] = ("retry_after",)

    def __init__(
        self, retry_after: float, detail: str | None = None, *, policy: RatePolicy | None = None
    ) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        self.policy = policy
        text = detail or f"Too many requests. Try again in {self.retry_after} seconds."
        super().__init__(text, retry_after=self.retry_after)

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Retry-After": str(self.retry_after)}
        if self.policy is not None:
            name, quota, seconds = self.policy
            window = max(1, round(seconds))
            headers["RateLimit-Policy"] = f'"{name}";q={quota};w={window}'
            headers["RateLimit"] = f'"{name}";r=0;t={self.retry_after}'
        return headers


class Unavailable(AppError):
    """The service is temporarily unavailable; `retry_after` is in whole seconds."""

    status = 503
    code = "unavailable"
    title = "The service is temporarily unavailable"
    member_names = ("retry_after",)
    detail = (
        "The service cannot process the request at the moment. Nothing was changed; try again "
        "shortly."
    )

    def __init__(self, detail: str | None = None, *, retry_after: int = 5) -> None:
        self.retry_after = retry_after
        super().__init__(detail, retry_after=retry_after)

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class OutcomeUnknown(Unavailable):
    """The database was lost while a change was committed, and does not say whether it was made."""

    code = "outcome_unknown"
    title = "It is unknown whether the change was made"
    detail = (
        "The service lost its database while it committed the change, which may have been made or "
        "not. Repeat the request: with the same Idempotency-Key, or with the id that a bot gives "
        "its positions and records, it is carried out once. Without either, first read what it "
        "would change."
    )
