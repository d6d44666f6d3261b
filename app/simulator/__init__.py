"""Simulated exchanges: their wire formats, their checks and their bad days, on loopback.

They share no code with `botkeys.exchanges`, so that one may be held against the other.
"""

from app.simulator.credentials import credentials
from app.simulator.faults import FaultKind, Faults
from app.simulator.keys import KeyText, Permission, SimulatedKey, Variant
from app.simulator.simulator import Simulator

__all__ = [
    "FaultKind",
    "Faults",
    "KeyText",
    "Permission",
    "SimulatedKey",
    "Simulator",
    "Variant",
    "credentials",
]
