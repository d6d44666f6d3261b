"""The verdict on each item of a batch, in the order of the items."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Self, TypeAlias

from app.domains.ingest.items import InvalidItem
from app.domains.ingest.schemas import Batch, Item, ItemType
from app.domains.trading.contracts import Origin
from app.domains.trading.errors import ClockAhead
from app.domains.trading.marks import Mark, covers

Verdict: TypeAlias = dict[str, str | None]
"""The members of `app.domains.ingest.schemas.ItemVerdict`."""

_OF_THAT_TIME = "Data of that time were deleted and are not stored again."
_BEING_DELETED = "The item stored under this id is being deleted. Report it under another id."


@dataclass(frozen=True, slots=True)
class ScreenedBatch(Generic[ItemType]):
    """A batch and its verdicts. The items in `wanted` may be stored: the first of each id.

    `origin` is `None` if the key was deleted with its data: no item is wanted then.
    """

    items: Sequence[ItemType | InvalidItem]
    refusals: Sequence[Verdict | None]
    wanted: dict[str, ItemType]
    origin: Origin | None
    marks: Sequence[Mark]

    @classmethod
    def of(
        cls, batch: Batch[ItemType], origin: Origin | None, marks: Sequence[Mark], latest: datetime
    ) -> Self:
        """Screen a batch. `marks` were read under the account's lock; no time may be after
        `latest`.
        """
        refusals: list[Verdict | None] = []
        wanted: dict[str, ItemType] = {}
        for item in batch.items:
            if isinstance(item, InvalidItem):
                refusals.append(_refused(item.id, "invalid_item", item.detail))
            elif origin is None or (marks and _is_deleted(item, origin, marks)):
                refusals.append(_refused(item.id, "data_deleted", _OF_THAT_TIME))
            elif item.time > latest:
                refusals.append(_refused(item.id, ClockAhead.code, ClockAhead.detail))
            else:
                refusals.append(None)
                wanted.setdefault(item.id, item)
        return cls(batch.items, refusals, wanted, origin, marks)

    def verdicts(self, stored: set[str], deleted: set[str]) -> list[Verdict]:
        """Return the verdicts. `stored` are new ids; `deleted` are ids of rows that are being
        purged.
        """
        verdicts: list[Verdict] = []
        new = set(stored)
        for item, refusal in zip(self.items, self.refusals, strict=True):
            if refusal is not None:
                verdicts.append(refusal)
            elif item.id in deleted:
                verdicts.append(_refused(item.id, "data_deleted", _BEING_DELETED))
            elif item.id in new:
                new.remove(item.id)
                verdicts.append({"id": item.id, "status": "stored"})
            else:
                verdicts.append({"id": item.id, "status": "duplicate"})
        return verdicts


def _is_deleted(item: Item, origin: Origin, marks: Sequence[Mark]) -> bool:
    return any(covers(mark, origin.environment, origin.key_id, item.time) for mark in marks)


def _refused(name: str | None, code: str, detail: str) -> Verdict:
    return {"id": name, "status": "refused", "code": code, "detail": detail}
