"""ETag and If-Match: a change may say which state of the object it means."""

import re
from typing import Annotated

from fastapi import Depends, Header

from app.errors import InvalidRequest

_NO_REVISION = -1
_TAG = re.compile(r'"(\d{1,18})"')

IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of the state that the change was made for; 412 if it has changed.",
        max_length=500,
    ),
]


def etag(revision: int) -> str:
    return f'"{revision}"'


def expected_revision(if_match: IfMatchHeader = None) -> int | None:
    """The revision that If-Match names; `None` where any will do.

    A weak or foreign tag names none that there is: whether the object is there is told first.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if len(tags) != 1:
        fault = {
            "loc": ["header", "If-Match"],
            "type": "if_match_invalid",
            "msg": "Send one entity tag, as the header ETag gave it",
        }
        raise InvalidRequest([fault])
    strong = _TAG.fullmatch(tags[0])
    return _NO_REVISION if strong is None else int(strong[1])


Revision = Annotated[int | None, Depends(expected_revision)]
"""The revision that a change was made for; `None` where any will do."""
