"""Where a browser goes after the sign-in: an address of our own page, and no other."""

import re

HOME = "/"
LONGEST = 300

# Segments of plain characters and escapes, none of them empty: `//` would begin a host.
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_PATH = re.compile(rf"/(?:{_SEGMENT}+(?:/{_SEGMENT}+)*/?)?(?:\?(?:{_SEGMENT}|[/?])*)?")
# A slash, a backslash or a control character in disguise, for who decodes twice.
_ESCAPED = re.compile(r"%(?:2[fF]|5[cC]|[01][0-9a-fA-F]|7[fF]|25)")


def return_path(wanted: str | None) -> str:
    """Return the wanted path if it is one of this site that a person can be sent to, else `/`.

    Paths of the sign-in itself and of the API are not.
    """
    if (
        wanted is None
        or len(wanted) > LONGEST
        or _PATH.fullmatch(wanted) is None
        or _ESCAPED.search(wanted.partition("?")[0])
    ):
        return HOME
    segments = wanted.partition("?")[0].split("/")
    if segments[1] in ("auth", "v1") or any(segment in (".", "..") for segment in segments):
        return HOME
    return wanted
