"""The routes of the role `runtime`, in the order of the documentation."""

from app.domains.bots.router import token_router as bot_tokens
from app.domains.ingest.router import router as ingest
from app.domains.orders.router import router as reported_orders
from app.domains.positions.bot_router import router as reported_positions
from app.domains.runtime.config.router import router as configs
from app.domains.runtime.heartbeat.router import router as heartbeats
from app.domains.runtime.release.router import router as releases
from app.domains.runtime.stream.router import router as streams

ROUTERS = (
    bot_tokens,
    releases,
    configs,
    streams,
    heartbeats,
    reported_positions,
    reported_orders,
    ingest,
)
