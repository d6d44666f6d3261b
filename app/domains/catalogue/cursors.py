"""The cursors of the list of instruments: rank and symbol of a page's last row."""

from app.api.pagination import Cursors, printable


class RankCursors(Cursors[tuple[int, str]]):
    """Cursors made of a rank and a symbol; see `app.domains.catalogue.instrument_repository`."""

    def _packed(self, place: tuple[int, str]) -> bytes:
        rank, symbol = place
        return bytes([rank]) + symbol.encode()

    def _unpacked(self, raw: bytes) -> tuple[int, str]:
        if raw[:1] not in (b"\0", b"\1") or not raw[1:]:
            raise ValueError("neither rank nor symbol")
        return raw[0], printable(raw[1:])
