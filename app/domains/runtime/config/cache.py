"""Builds configurations, each only once until something that it is made of changes."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from app.domains.bots.config_rows import ConfigGlance, ConfigRow, fingerprint
from app.domains.runtime.config.document import config_document
from app.kit.json_codec import dumps
from botkeys.exchanges.registry import Exchanges

Kept = TypeVar("Kept")
DOCUMENTS = 1_000
SUMMARIES = 50_000
"""How many a process keeps. A document takes some kilobytes, a summary 350 bytes: it is all that a
heartbeat and a configuration that has not changed need.
"""


class Summary(NamedTuple):
    """What a configuration comes to."""

    version: str
    may_open_positions: bool


class Configuration(NamedTuple):
    """A bot's configuration. `document` is `runtime.config.schemas.Config` as JSON."""

    version: str
    may_open_positions: bool
    document: bytes


class ConfigCache:
    """The cache of a process. It saves work and never reads: the result depends on the rows
    alone, of which it keeps the fingerprint.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        *,
        refuse_withdrawal: bool,
        documents: int = DOCUMENTS,
        summaries: int = SUMMARIES,
    ) -> None:
        self._exchanges = exchanges
        self._refuse_withdrawal = refuse_withdrawal
        self._documents: OrderedDict[int, tuple[int, Configuration]] = OrderedDict()
        self._summaries: OrderedDict[int, tuple[int, Summary]] = OrderedDict()
        self._most_documents = documents
        self._most_summaries = summaries

    def known(self, glance: ConfigGlance) -> Summary | None:
        """Return what the glance stands for, if rows of its fingerprint were summed up before."""
        return _kept(self._summaries, glance.bot_id.int, glance.fingerprint)

    def known_whole(self, glance: ConfigGlance) -> Configuration | None:
        """Return the configuration that the glance stands for, if it was built before."""
        return _kept(self._documents, glance.bot_id.int, glance.fingerprint)

    def of(self, rows: Sequence[ConfigRow]) -> Configuration:
        """Return the configuration of the bot whose rows these are. Evicts the least recently used
        first.
        """
        return self._of(rows, _name_of(rows), fingerprint(rows))

    def summary(self, rows: Sequence[ConfigRow]) -> Summary:
        """Return the same without the document, which is then built at most once."""
        name, seen = _name_of(rows), fingerprint(rows)
        known = _kept(self._summaries, name, seen)
        if known is not None:
            return known
        made = self._of(rows, name, seen)
        summary = Summary(made.version, made.may_open_positions)
        self._summaries[name] = (seen, summary)
        self._summaries.move_to_end(name)
        if len(self._summaries) > self._most_summaries:
            self._summaries.popitem(last=False)
        return summary

    def _of(self, rows: Sequence[ConfigRow], name: int, seen: int) -> Configuration:
        known = _kept(self._documents, name, seen)
        if known is not None:
            return known
        content = config_document(rows, self._exchanges, refuse_withdrawal=self._refuse_withdrawal)
        # A copy: the buffer that orjson returns keeps its full capacity, several times the content.
        document = bytes(memoryview(dumps(content)))
        made = Configuration(content["version"], content["may_open_positions"], document)
        self._documents[name] = (seen, made)
        self._documents.move_to_end(name)
        if len(self._documents) > self._most_documents:
            self._documents.popitem(last=False)
        return made


def _kept(of_bots: OrderedDict[int, tuple[int, Kept]], name: int, seen: int) -> Kept | None:
    """Return what is kept of this bot, if it was made of rows of this fingerprint."""
    known = of_bots.get(name)
    if known is None or known[0] != seen:
        return None
    of_bots.move_to_end(name)
    return known[1]


def _name_of(rows: Sequence[ConfigRow]) -> int:
    """Return the bot's id as a number, which is hashed faster. The account is part of the rows."""
    return rows[0].bot_id.int
