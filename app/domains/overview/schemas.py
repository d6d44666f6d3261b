"""The dashboard's totals as the API shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.api.schemas import Document
from app.domains.analytics.schemas import Amount
from botkeys.exchanges.model import Environment


class BotTotals(Document):
    """Numbers of bots."""

    total: Annotated[int, Field(examples=[3])]
    online: Annotated[
        int, Field(examples=[2], description="Bots whose latest heartbeat is recent enough.")
    ]
    blocked: Annotated[
        int, Field(examples=[1], description="Bots that may open no positions (`blocked_by`).")
    ]


class KeyStateTotals(Document):
    """Numbers of keys by the word of their `state`."""

    active: Annotated[int, Field(examples=[2])]
    inactive: Annotated[int, Field(examples=[1])]
    expiring: Annotated[int, Field(examples=[1])]
    expired: Annotated[int, Field(examples=[0])]
    rejected: Annotated[int, Field(examples=[0])]
    read_only: Annotated[int, Field(examples=[0])]
    unreachable: Annotated[int, Field(examples=[0])]
    frozen: Annotated[int, Field(examples=[0])]


class KeyTotals(Document):
    """Numbers of keys in the environment."""

    total: Annotated[int, Field(examples=[4])]
    active: Annotated[
        int, Field(examples=[3], description="Keys that are active, whatever their state.")
    ]
    expiring: Annotated[int, Field(description="Keys that have expired or expire within 30 days.")]
    states: KeyStateTotals


class EnvironmentTotals(Document):
    """Totals of one environment. A bot belongs to that of its key; one without a key to none."""

    open_positions: Annotated[int, Field(description="Positions that are open or being opened.")]
    bots: BotTotals
    keys: KeyTotals


class TotalsByEnvironment(Document):
    """Totals of both environments, for badges beside a switch."""

    live: EnvironmentTotals
    testnet: EnvironmentTotals


class PnlToday(Document):
    """Realised P&L of today in one settle asset."""

    settle: Annotated[str, Field(examples=["USDT"], description="The asset of the P&L.")]
    realised_pnl: Annotated[Amount, Field(description="Realised P&L, net of fees.")]
    funding: Annotated[Amount, Field(description="Funding received, negative if paid.")]
    trades: Annotated[
        int, Field(examples=[12], description="The number of trades that closed today.")
    ]


class Dashboard(Document):
    """Totals of one environment, in which bots are counted across both, and those of each."""

    environment: Environment
    timezone: Annotated[
        str, Field(examples=["Europe/Berlin"], description="The account's time zone.")
    ]
    today_since: Annotated[
        datetime, Field(description="When today began in the account's time zone.")
    ]
    open_positions: Annotated[int, Field(description="Positions that are open or being opened.")]
    bots: Annotated[
        BotTotals, Field(description="All bots of the account, those without a key included.")
    ]
    keys: KeyTotals
    pnl_today: Annotated[list[PnlToday], Field(description="One item per settle asset.")]
    environments: TotalsByEnvironment
