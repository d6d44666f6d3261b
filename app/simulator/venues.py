"""The simulated exchanges. A new one needs its module and a line here."""

from collections.abc import Mapping

from app.simulator.binance import Binance
from app.simulator.bitmex import Bitmex
from app.simulator.bybit import Bybit
from app.simulator.deribit import Deribit
from app.simulator.gemini import Gemini
from app.simulator.kraken import Kraken
from app.simulator.kucoin import Kucoin
from app.simulator.okx import Okx
from app.simulator.phemex import Phemex
from app.simulator.venue import Venue
from app.simulator.woox import Woox

_ALL: tuple[type[Venue], ...] = (
    Binance,
    Bitmex,
    Bybit,
    Deribit,
    Gemini,
    Kraken,
    Kucoin,
    Okx,
    Phemex,
    Woox,
)

VENUES: Mapping[str, type[Venue]] = {venue.exchange: venue for venue in _ALL}
