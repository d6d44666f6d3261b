"""Objects that hold key material, and can be neither shown nor copied."""

from typing import NoReturn, Self, final


class Uncopyable:
    """A base whose objects have no useful repr and refuse pickle, copy and deepcopy."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied")


@final
class SecretBytes(Uncopyable):
    """Bytes that must never be shown, in a buffer that `wipe` (or leaving `with`) overwrites."""

    __slots__ = ("__buffer",)

    def __init__(self, content: bytes | bytearray) -> None:
        self.__buffer = bytearray(content)

    def reveal(self) -> bytearray:
        """Return the buffer itself, not a copy: a copy could not be wiped."""
        return self.__buffer

    def wipe(self) -> None:
        wipe(self.__buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("SecretBytes cannot be compared: reveal them and use hmac.compare_digest")

    __hash__ = None  # type: ignore[assignment]  # unhashable, as its lack of equality demands


def wipe(buffer: bytearray) -> None:
    """Overwrite in place. docs/custody.md lists the copies that this cannot reach."""
    buffer[:] = bytes(len(buffer))
