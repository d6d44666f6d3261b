"""What most routes may answer besides the thing itself."""

from typing import Any

from app.api.problems import problems
from app.auth.errors import MissingScope, Unauthenticated, WrongTokenKind
from app.errors import (
    AppError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestInProgress,
    Unavailable,
)

_ALWAYS: tuple[type[AppError], ...] = (
    Unauthenticated,
    MissingScope,
    WrongTokenKind,
    RateLimited,
    Unavailable,
)


def reading(*more: type[AppError]) -> dict[int | str, dict[str, Any]]:
    return problems(*_ALWAYS, InvalidRequest, *more)


def reading_one(*more: type[AppError]) -> dict[int | str, dict[str, Any]]:
    return reading(NotFound, *more)


def writing(*more: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Of a route that takes an Idempotency-Key."""
    return reading(RequestInProgress, IdempotencyKeyReused, *more)


def changing(*more: type[AppError]) -> dict[int | str, dict[str, Any]]:
    return writing(NotFound, *more)
