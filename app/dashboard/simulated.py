"""Gives the page of a development service the credentials of the simulated exchanges.

They open nothing but the simulator, and the command `botkeys simulator credentials` prints the same
ones. A service that calls real exchanges does not have the route.
"""

from fastapi import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.simulator import credentials

PATH = "/development/credentials"


def routes() -> list[Route]:
    return [Route(PATH, _credentials, methods=["GET"])]


async def _credentials(_: Request) -> Response:
    return JSONResponse(credentials(), headers={"Cache-Control": "no-store"})
