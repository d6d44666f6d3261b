"""Simulated exchanges on loopback: their wire formats, their checks and their failures.

They share no code with `botkeys.exchanges`, so that each can be tested against the other.
"""

from app.simulator.credentials import credentials, demo_credentials, select_credentials
from app.simulator.faults import FaultKind, Faults
from app.simulator.http_server import PortUnavailable
from app.simulator.keys import KeyText, Permission, SimulatedKey, Variant
from app.simulator.registered import NotRegistrable, RegisteredKeys
from app.simulator.simulator import Simulator

__all__ = [
    "FaultKind",
    "Faults",
    "KeyText",
    "NotRegistrable",
    "Permission",
    "PortUnavailable",
    "RegisteredKeys",
    "SimulatedKey",
    "Simulator",
    "Variant",
    "credentials",
    "demo_credentials",
    "select_credentials",
]
