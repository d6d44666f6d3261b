"""The names of time zones, from a package of the IANA database, for machines that have none."""

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import AfterValidator, Field


@cache
def names() -> frozenset[str]:
    """Return every name that `zoneinfo` opens on any machine and that is a place's or UTC's.

    `Factory` stands for a machine whose zone was never set.
    """
    return frozenset((files("tzdata") / "zones").read_text().split()) - {"Factory"}


def _known(name: str) -> str:
    if name not in names():
        raise ValueError("must be a name of the IANA time zone database, such as Europe/Prague")
    return name


TimeZone = Annotated[str, Field(max_length=64, examples=["Europe/Prague"]), AfterValidator(_known)]
