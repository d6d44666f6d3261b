"""Builds configurations, each only once until something that it is made of changes."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from app.domains.bots.config_rows import ConfigRow
from app.domains.runtime.config.document import config_document
from app.kit.json_codec import dumps
from botkeys.exchanges.registry import Exchanges

KEPT = 1000


class Configuration(NamedTuple):
    """A bot's configuration. `document` is `runtime.config.schemas.Config` as JSON."""

    version: str
    may_open_positions: bool
    document: bytes


class _Made(NamedTuple):
    rows: Sequence[ConfigRow]
    configuration: Configuration


class ConfigCache:
    """The cache of a process. It saves work and never reads: the result depends on the rows
    alone.
    """

    def __init__(self, exchanges: Exchanges, *, refuse_withdrawal: bool, kept: int = KEPT) -> None:
        self._exchanges = exchanges
        self._refuse_withdrawal = refuse_withdrawal
        self._kept = kept
        self._made: OrderedDict[tuple[UUID, UUID], _Made] = OrderedDict()

    def of(self, rows: Sequence[ConfigRow]) -> Configuration:
        """Return the configuration of the bot whose rows these are. Evicts the least recently used
        first.
        """
        name = (rows[0].account_id, rows[0].bot_id)
        known = self._made.get(name)
        if known is not None and known.rows == rows:
            self._made.move_to_end(name)
            return known.configuration
        content = config_document(rows, self._exchanges, refuse_withdrawal=self._refuse_withdrawal)
        # A copy: the buffer that orjson returns keeps its full capacity, several times the content.
        document = bytes(memoryview(dumps(content)))
        made = Configuration(content["version"], content["may_open_positions"], document)
        self._made[name] = _Made(_sparingly(rows), made)
        self._made.move_to_end(name)
        if len(self._made) > self._kept:
            self._made.popitem(last=False)
        return made


def _sparingly(rows: Sequence[ConfigRow]) -> Sequence[ConfigRow]:
    """Return equal rows that share their values. Most values of a row belong to its bot and key,
    and the driver created them separately for each row.
    """
    first = rows[0]
    same = [
        ConfigRow._make(ours if ours == own else own for ours, own in zip(first, row, strict=True))
        for row in rows[1:]
    ]
    return [first, *same]
