"""How many attempts go on at once: in all, and of one account, host and webhook.

An attempt may last 15 seconds, and a receiver that hangs holds a slot for that long. A webhook that
fails, and one that has not answered yet, has one slot alone; and those that fail have half of the
slots of everything together, so that the others have the other half.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Slots of a process. Of each, webhooks that fail have half at most."""

    total: int = 256
    of_account: int = 16
    of_host: int = 32
    of_webhook: int = 4


class Place(NamedTuple):
    """What an attempt counts for. `host` is `None` where the operator has named it."""

    account_id: UUID
    webhook_id: UUID
    host: str | None
    failing: bool


_Key = tuple[str, object]


class DeliverySlots:
    def __init__(self, limits: DeliveryLimits) -> None:
        self._limits = limits
        self._taken: Counter[_Key] = Counter()
        self._proven: set[UUID] = set()
        self._refused: dict[UUID, _Key] = {}

    @property
    def taken(self) -> int:
        return self._taken[_ALL]

    @property
    def free(self) -> int:
        return self._limits.total - self.taken

    def take(self, place: Place) -> bool:
        """Take a slot; return whether there was one."""
        for key, most in self._bounds(place):
            if self._taken[key] >= most:
                self._refused[place.webhook_id] = key
                return False
        self._taken.update(key for key, _ in self._bounds(place))
        return True

    def release(self, place: Place, *, answered: bool) -> None:
        """Give the slot back; `answered`: the webhook took what was sent."""
        keys = {key for key, _ in self._bounds(place)}
        self._taken.subtract(keys)
        for key in keys:
            if not self._taken[key]:
                del self._taken[key]
        self._refused = {one: key for one, key in self._refused.items() if key not in keys}
        (self._proven.add if answered else self._proven.discard)(place.webhook_id)

    def busy(self) -> list[UUID]:
        """Return the webhooks that were refused, and get no slot until another one has ended."""
        return list(self._refused)

    def _bounds(self, place: Place) -> Iterator[tuple[_Key, int]]:
        """Yield what the attempt counts for, and how many of each there may be."""
        limits = self._limits
        alone = place.failing or place.webhook_id not in self._proven
        shared: list[tuple[_Key, int]] = [
            (_ALL, limits.total),
            (("account", place.account_id), limits.of_account),
        ]
        if place.host is not None:
            shared.append((("host", place.host), limits.of_host))
        yield ("webhook", place.webhook_id), 1 if alone else limits.of_webhook
        for (kind, what), most in shared:
            yield (kind, what), most
            if place.failing:
                yield (f"failing {kind}", what), max(1, most // 2)


_ALL: _Key = ("all", None)
