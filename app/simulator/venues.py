"""The exchanges that are simulated. A new one is its module and its line here."""

from collections.abc import Mapping

from app.simulator.base import Venue
from app.simulator.binance import Binance
from app.simulator.okx import Okx

VENUES: Mapping[str, type[Venue]] = {venue.exchange: venue for venue in (Binance, Okx)}
