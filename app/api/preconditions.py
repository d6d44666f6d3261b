"""ETag and If-Match: a change may state which revision of the object it is based on."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant

from app.db.revisions import Revisions

_TAG = re.compile(r'"(\d{1,18})"')

IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of the state that the change is based on, or a list of such tags; "
        "412 if the object has changed since.",
        max_length=500,
    ),
]


def etag(revision: int) -> str:
    return f'"{revision}"'


def expected_revisions(request: Request, if_match: IfMatchHeader = None) -> Revisions | None:
    """Return the revisions that If-Match lists (RFC 9110, 13.1.1); `None` accepts any.

    A weak or foreign tag matches no revision, so that a missing object is reported first.
    """
    if if_match is None:
        return None
    listed = ",".join(request.headers.getlist("if-match"))
    if listed.strip() == "*":
        return None
    strong = (_TAG.fullmatch(tag.strip()) for tag in listed.split(","))
    return Revisions(int(tag[1]) for tag in strong if tag is not None)


Expected = Annotated[Revisions | None, Depends(expected_revisions)]
"""The revisions that a change was made for; `None` accepts any."""


def is_conditional(dependant: Dependant) -> bool:
    """Return whether an endpoint, or one of its dependencies, reads If-Match."""
    return dependant.call is expected_revisions or any(map(is_conditional, dependant.dependencies))
