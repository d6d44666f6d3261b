"""The keys that a process of each role holds, apart from that of the audit log, which all hold."""

from dataclasses import dataclass

from app.custody.keyring import ReleasingKeyring, SealingKeyring
from botkeys.sealing.boxes import SecretBytes


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """What the role `api` holds: a key to seal with, and one to find duplicates by."""

    sealing: SealingKeyring
    fingerprint: SecretBytes


@dataclass(frozen=True, slots=True)
class RuntimeKeys:
    """What the role `runtime` holds: the master private keys, and the key of bot tokens."""

    releasing: ReleasingKeyring
    token: SecretBytes
