"""The routes of the role `api`, in the order of the documentation."""

from app.domains.accounts.router import router as account
from app.domains.analytics.router import router as analytics
from app.domains.assets.router import router as assets
from app.domains.audit.router import router as audit
from app.domains.bots.router import router as bots
from app.domains.catalogue.router import instruments_router as instruments
from app.domains.catalogue.router import router as exchanges
from app.domains.deletion.account.router import router as closing
from app.domains.deletion.router import router as data_deletions
from app.domains.events.router import router as events
from app.domains.freezes.router import router as freezes
from app.domains.history.router import positions_router as position_list
from app.domains.history.router import router as history
from app.domains.imports.router import router as imports
from app.domains.keys.router import router as keys
from app.domains.operations.router import router as operations
from app.domains.overview.router import router as overview
from app.domains.positions.router import router as positions
from app.domains.releases.router import router as key_releases
from app.domains.sessions.router import router as sessions
from app.domains.webhooks.router import router as webhooks

ROUTERS = (
    exchanges,
    keys,
    key_releases,
    instruments,
    assets,
    bots,
    freezes,
    events,
    webhooks,
    position_list,
    positions,
    analytics,
    overview,
    history,
    imports,
    account,
    closing,
    operations,
    data_deletions,
    audit,
    sessions,
)
