"""What a sealed value is bound to, and the bytes that express it.

Every binding is a label followed by fields. The label is ASCII text and stands as it is; each field
is the length of its UTF-8 form in bytes, as an unsigned 16-bit big-endian number, and that form.
UUIDs are written as in the JSON answers (lower case, with hyphens), numbers in decimal.
docs/custody.md holds the format for implementers, with test vectors.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from botkeys.environment import Environment

SEAL_LABEL = "botkeys/seal/1"
DATA_KEY_LABEL = "botkeys/data-key/1"
RELEASE_LABEL = "botkeys/release/1"

_LONGEST_FIELD = 0xFFFF


def encode(label: str, *fields: str) -> bytes:
    """Return the label and the length-prefixed fields. Raises ValueError on a long field."""
    parts = [label.encode("ascii")]
    for field in fields:
        # A lone surrogate has no UTF-8 form, and the error about it would quote the field.
        text = field.encode("utf-8", "surrogatepass")
        if len(text) > _LONGEST_FIELD:
            raise ValueError(f"a field of a binding holds at most {_LONGEST_FIELD} bytes")
        parts += [len(text).to_bytes(2, "big"), text]
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Binding:
    """The row that credentials belong to. `version` counts from 1 with each replacement.

    Where the API key is sealed apart from the secret, as in a key pair, its own row is bound to the
    negated version: neither can stand for the other.
    """

    account_id: UUID
    key_id: UUID
    version: int
    exchange: str
    environment: Environment

    def of_api_key(self) -> "Binding":
        """Return the binding of the API key that is sealed apart from its secret."""
        return replace(self, version=-self.version)

    def seal_data(self) -> bytes:
        """Return the associated data of the credentials' AES-256-GCM."""
        return encode(
            SEAL_LABEL,
            str(self.account_id),
            str(self.key_id),
            str(self.version),
            self.exchange,
            self.environment,
        )

    def data_key_info(self, master_key_version: int) -> bytes:
        """Return the HPKE `info` of the data key sealed to a master key, its version last."""
        return encode(
            DATA_KEY_LABEL,
            str(self.account_id),
            str(self.key_id),
            str(self.version),
            self.exchange,
            self.environment,
            str(master_key_version),
        )

    def release_info(self, bot_id: UUID) -> bytes:
        """Return the HPKE `info` of a release, its fields in the order of the JSON answer."""
        return encode(
            RELEASE_LABEL,
            str(self.account_id),
            str(bot_id),
            str(self.key_id),
            str(self.version),
            self.exchange,
            self.environment,
        )
