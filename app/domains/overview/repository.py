"""The SQL of an account's totals. Only reads; every statement names the account.

Keys are counted in groups of equal standing, so that the words of their states come from the one
function that decides them, and blocked bots by the condition that the rules themselves make.
"""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domains.bots.rows import FACTS, JOINED, ONLINE, blocked_sql
from app.domains.keys.rows import EXPIRES
from app.domains.keys.states import KeyWord, Standing, key_word

_ACCOUNT = bindparam("account", type_=Uuid())
# Each scope's freezes are read once, for all keys and bots of the account.
_FROZEN_BY = """
    CASE
        WHEN EXISTS (SELECT FROM freezes WHERE account_id = :account AND scope = 'account')
            THEN 'account'
        WHEN keys.exchange IN (SELECT exchange FROM freezes
            WHERE account_id = :account AND scope = 'exchange') THEN 'exchange'
        WHEN keys.id IN (SELECT key_id FROM freezes
            WHERE account_id = :account AND scope = 'key') THEN 'key'
    END
"""
_STANDING = {
    "exchange": "keys.exchange",
    "environment": "keys.environment",
    "active": "keys.active",
    "awaiting_api_key": "keys.awaiting_api_key",
    "frozen_by": _FROZEN_BY,
    "status": "keys.verification_status",
    "reason": "keys.verification_reason",
    "trade": "keys.permission_trade",
    "withdraw": "keys.permission_withdraw",
    "unverified": "keys.unverified",
    "expires": EXPIRES,
}
"""The SQL of what decides about the word of a key's state."""

_KEYS = text(f"""
    SELECT {", ".join(f"{sql} AS {name}" for name, sql in _STANDING.items())}, count(*) AS keys
    FROM keys
    WHERE keys.account_id = :account
    GROUP BY {", ".join(str(place) for place in range(1, len(_STANDING) + 1))}
""").bindparams(_ACCOUNT)  # noqa: S608  # built from constants only


def _blocked(refuse_withdrawal: bool) -> str:  # as its only caller passes it on
    facts = {**FACTS, "frozen": f"({_FROZEN_BY} IS NOT NULL)"}
    return blocked_sql(facts, refuse_withdrawal=refuse_withdrawal)


_BOTS = {
    refuse: text(f"""
        SELECT keys.environment, count(*) AS total, count(*) FILTER (WHERE {ONLINE}) AS online,
               count(*) FILTER (WHERE {_blocked(refuse)}) AS blocked
        FROM {JOINED}
        WHERE bots.account_id = :account
        GROUP BY keys.environment
    """).bindparams(_ACCOUNT)  # noqa: S608  # built from constants only
    for refuse in (True, False)
}
_POSITIONS = text("""
    SELECT environment, count(*) AS positions
    FROM positions
    WHERE account_id = :account AND status IN ('opening', 'open')
      AND (status = 'open' OR expires_at > statement_timestamp())
    GROUP BY environment
""").bindparams(_ACCOUNT)


@dataclass(slots=True)
class BotCounts:
    """Numbers of bots."""

    total: int = 0
    online: int = 0
    blocked: int = 0


@dataclass(slots=True)
class EnvironmentCounts:
    """What an account has in one environment. `switched_on` keys are those with `active`, `due`
    those that have expired or soon will.
    """

    open_positions: int = 0
    bots: BotCounts = field(default_factory=BotCounts)
    words: Counter[KeyWord] = field(default_factory=Counter)
    switched_on: int = 0
    due: int = 0


@dataclass(slots=True)
class AccountCounts:
    """What an account has: `bots` are all, those without a key included."""

    bots: BotCounts
    environments: dict[str, EnvironmentCounts]


class TotalsRepository:
    """`refuse_withdrawal`: as for `app.domains.bots.opening_rules`."""

    def __init__(self, *, session: AsyncSession, account_id: UUID, refuse_withdrawal: bool) -> None:
        self._session = session
        self._account = {"account": account_id}
        self._refuse_withdrawal = refuse_withdrawal

    async def read(self) -> AccountCounts:
        """Return the counts of both environments, each kind counted in one statement."""
        found = AccountCounts(BotCounts(), {})
        for row in (
            await self._session.execute(_BOTS[self._refuse_withdrawal], self._account)
        ).all():
            all_bots = found.bots
            all_bots.total += row.total
            all_bots.online += row.online
            all_bots.blocked += row.blocked
            if row.environment is not None:
                of_environment = found.environments.setdefault(row.environment, EnvironmentCounts())
                of_environment.bots = BotCounts(row.total, row.online, row.blocked)
        for row in (await self._session.execute(_KEYS, self._account)).all():
            counts = found.environments.setdefault(row.environment, EnvironmentCounts())
            *standing, keys = row
            known = dict(zip(_STANDING, standing, strict=True))
            word = key_word(
                Standing(**known, possible=()), refuse_withdrawal=self._refuse_withdrawal
            )
            counts.words[word] += keys
            counts.switched_on += keys if row.active else 0
            counts.due += keys if row.expires else 0
        for row in (await self._session.execute(_POSITIONS, self._account)).all():
            counts = found.environments.setdefault(row.environment, EnvironmentCounts())
            counts.open_positions = row.positions
        return found
