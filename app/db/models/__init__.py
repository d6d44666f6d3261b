"""All tables, one file each. Importing this package fills the metadata that Alembic compares."""

from app.db.models.account import Account
from app.db.models.asset import TradingAsset
from app.db.models.audit import AuditEvent, AuditHead, AuditStart
from app.db.models.bot import Assignment, Bot, BotToken, Presence
from app.db.models.bot_event import BotEvent
from app.db.models.catalogue import (
    Catalogue,
    CatalogueInstrument,
    FormerContract,
    InstrumentPrice,
    LearnedLeverage,
)
from app.db.models.credential import KeyCredential
from app.db.models.dashboard_session import DashboardSession
from app.db.models.deletion import DeletionMark, Operation
from app.db.models.event import Event, EventHead
from app.db.models.freeze import Freeze
from app.db.models.idempotency import IdempotencyRecord
from app.db.models.imports import ImportedRow, ImportRefusal
from app.db.models.ingest_day import IngestDay
from app.db.models.key import Key
from app.db.models.key_label import KeyLabel
from app.db.models.key_leverage import KeyLeverage
from app.db.models.master_key import MasterKeyHolder, MasterKeyVersion
from app.db.models.position import Position
from app.db.models.purged_position import PurgedPosition
from app.db.models.release import Release
from app.db.models.resting_order import RestingOrders
from app.db.models.restoration import Restoration
from app.db.models.rollup import StaleDay, TradeDay
from app.db.models.trading import EquitySnapshot, Funding, Signal, Trade
from app.db.models.webhook import Webhook, WebhookDelivery, WebhookNews

__all__ = [
    "Account",
    "Assignment",
    "AuditEvent",
    "AuditHead",
    "AuditStart",
    "Bot",
    "BotEvent",
    "BotToken",
    "Catalogue",
    "CatalogueInstrument",
    "DashboardSession",
    "DeletionMark",
    "EquitySnapshot",
    "Event",
    "EventHead",
    "FormerContract",
    "Freeze",
    "Funding",
    "IdempotencyRecord",
    "ImportRefusal",
    "ImportedRow",
    "IngestDay",
    "InstrumentPrice",
    "Key",
    "KeyCredential",
    "KeyLabel",
    "KeyLeverage",
    "LearnedLeverage",
    "MasterKeyHolder",
    "MasterKeyVersion",
    "Operation",
    "Position",
    "Presence",
    "PurgedPosition",
    "Release",
    "RestingOrders",
    "Restoration",
    "Signal",
    "StaleDay",
    "Trade",
    "TradeDay",
    "TradingAsset",
    "Webhook",
    "WebhookDelivery",
    "WebhookNews",
]
