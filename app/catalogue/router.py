"""What the exchanges offer."""

from fastapi import APIRouter, Response

from app.catalogue.schemas import Exchange, ExchangeList
from app.edge.access import for_users
from app.edge.responses import reading
from app.edge.route import EdgeRoute
from app.exchanges.registry import EXCHANGES

_ITEMS = [Exchange.model_validate(profile) for profile in EXCHANGES.values()]
_LIST = ExchangeList(items=_ITEMS, next_cursor=None).model_dump_json()

router = APIRouter(prefix="/v1/exchanges", tags=["exchanges"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listExchanges",
    summary="List exchanges",
    response_model=ExchangeList,
    responses=reading(),
)
@for_users()
async def list_exchanges() -> Response:
    """All ten, with what each offers in either environment and what a key there must permit."""
    return Response(_LIST, media_type="application/json")
