"""Answers an unknown name with the known one that it resembles, without repeating what was sent.

A name that a caller made up may be a secret that was put in the wrong place.
"""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

_LONGEST = 64
_NO_LETTER = re.compile(r"[^a-z0-9]")


def resembling(name: str, known: Collection[str]) -> str | None:
    """Return the known name that this one resembles most, if it resembles any."""
    same = spelled_alike(name, known)
    if same is not None:
        return same
    return next(iter(get_close_matches(name[:_LONGEST].lower(), known, n=1)), None)


def spelled_alike(name: str, known: Collection[str]) -> str | None:
    """Return the known name that differs in case, hyphens and underscores only: `apiKey`."""
    letters = _letters(name)
    return next((other for other in known if _letters(other) == letters), None)


def no_such(kind: str, meant: str | None, known: Collection[str]) -> str:
    """Return the sentence for an unknown name, where `kind` is what it was taken for."""
    if meant is not None:
        return f"No such {kind}. Did you mean `{meant}`?"
    if not known:
        return f"No such {kind}: there are none here"
    return f"No such {kind}. There are {', '.join(f'`{name}`' for name in sorted(known))}"


def members_at(document: Any, place: tuple[Any, ...]) -> set[str]:
    """Return the names of the members that an object in this place of a document may have.

    `document` is the annotation of the body; the place is where a validator found a fault.
    """
    models = list(_models(document))
    for part in place:
        if isinstance(part, str):
            inner = [
                field.annotation
                for model in models
                for name, field in model.model_fields.items()
                if (field.alias or name) == part
            ]
            if inner:  # anything else is a validator's own name
                models = [model for annotation in inner for model in _models(annotation)]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _letters(name: str) -> str:
    return _NO_LETTER.sub("", name[:_LONGEST].lower())


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within an annotation: of a union, of a list's items, behind an alias."""
    annotation = getattr(annotation, "__value__", annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)
