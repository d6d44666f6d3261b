"""The routes of each role. A process imports those of its own only: they take long to describe."""

from collections.abc import Iterator

from fastapi import APIRouter

from app.settings import Role


def routers_of(role: Role) -> Iterator[APIRouter]:
    """Yield the routers that a process of this role serves."""
    if role in {Role.ALL, Role.API}:
        from app.routes import api  # noqa: PLC0415

        yield from api.ROUTERS
    if role in {Role.ALL, Role.RUNTIME}:
        from app.routes import runtime  # noqa: PLC0415

        yield from runtime.ROUTERS
