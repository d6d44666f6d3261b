"""The verdict on each item of a batch, in the order of the items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Self, TypeAlias

from app.domains.ingest.items import InvalidItem
from app.domains.ingest.schemas import Batch, ItemType, Reported
from app.domains.trading.contracts import Origin
from app.domains.trading.errors import ClockAhead
from app.domains.trading.marks import Mark, covers

Verdict: TypeAlias = dict[str, str | None]
"""The members of `app.domains.ingest.schemas.ItemVerdict`."""

_OF_THAT_TIME = "Data of that time were deleted and are not stored again."
_BEING_DELETED = "The item stored under this id is being deleted. Report it under another id."
_REUSED = (
    "Another item was stored under this id and remains unchanged. Give each item an id of its own."
)


@dataclass(frozen=True, slots=True)
class ScreenedBatch(Generic[ItemType]):
    """A batch and its verdicts. The items in `accepted`, by their places in the batch, may be
    stored, the first of each id.

    `origin` is `None` if the key was deleted with its data: no item is accepted then.
    """

    items: Sequence[ItemType | InvalidItem]
    refusals: list[Verdict | None]
    accepted: dict[int, ItemType]
    origin: Origin | None

    @classmethod
    def of(
        cls, batch: Batch[ItemType], origin: Origin | None, marks: Sequence[Mark], latest: datetime
    ) -> Self:
        """Screen a batch. `marks` were read under the account's lock; no time may be after
        `latest`.
        """
        refusals: list[Verdict | None] = []
        accepted: dict[int, ItemType] = {}
        for place, item in enumerate(batch.items):
            if isinstance(item, InvalidItem):
                refusals.append(refused(item.id, "invalid_item", item.detail))
            elif origin is None or (marks and _is_deleted(item, origin, marks)):
                refusals.append(refused(item.id, "data_deleted", _OF_THAT_TIME))
            elif item.time > latest:
                refusals.append(refused(item.id, ClockAhead.code, ClockAhead.detail))
            else:
                refusals.append(None)
                accepted[place] = item
        return cls(batch.items, refusals, accepted, origin)

    def refuse(self, place: int, code: str, detail: str) -> None:
        """Refuse an item that was accepted so far."""
        self.refusals[place] = refused(self.accepted.pop(place).id, code, detail)

    def places(self) -> dict[str, list[int]]:
        """Return the places of the accepted items of each id, in their order."""
        places: dict[str, list[int]] = {}
        for place, item in self.accepted.items():
            places.setdefault(item.id, []).append(place)
        return places

    def verdicts(self, results: Mapping[int, Verdict]) -> list[Verdict]:
        """Return the verdicts. `results` are those of the accepted items, by place."""
        return [refusal or results[place] for place, refusal in enumerate(self.refusals)]


def _is_deleted(item: Reported, origin: Origin, marks: Sequence[Mark]) -> bool:
    return any(covers(mark, origin.environment, origin.key_id, item.time) for mark in marks)


def refused(name: str | None, code: str, detail: str) -> Verdict:
    return {"id": name, "status": "refused", "code": code, "detail": detail}


def being_deleted(name: str) -> Verdict:
    """Return the verdict on a repeat of an item that a deletion covers."""
    return refused(name, "data_deleted", _BEING_DELETED)


def reused(name: str) -> Verdict:
    """Return the verdict on an item whose id belongs to another one."""
    return refused(name, "id_reused", _REUSED)
