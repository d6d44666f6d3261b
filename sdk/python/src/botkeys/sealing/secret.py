"""A box for text that must never be shown."""

from typing import NoReturn, final


@final
class Secret:
    """Text that has no useful repr, str, format, equality, hash, copy or pickle.

    The only way to the text is the explicit call `reveal()`, so a search for that word finds
    every place where a secret leaves its box.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a Secret cannot be compared: reveal it and use hmac.compare_digest")

    __hash__ = None  # type: ignore[assignment]  # unhashable, as its lack of equality demands

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")
