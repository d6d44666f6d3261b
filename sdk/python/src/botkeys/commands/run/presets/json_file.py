"""A JSON file with everything that is known, for programs that are written to read it."""

import json
from collections.abc import Sequence

from botkeys.commands.run.delivery import Delivery, PlannedFile
from botkeys.commands.run.given import SECRETS, Given
from botkeys.sealing.secret import Secret


class JsonPreset:
    """`credentials.json`, whose path is in `CREDENTIALS_FILE` and in place of `{credentials}`."""

    name = "json"
    takes_address = True

    def deliver(self, given: Given, _: Sequence[str]) -> Delivery:
        secrets = {name: given.field(name).reveal() or None for name in SECRETS}
        content = Secret(json.dumps({**secrets, **given.facts()}, indent=1) + "\n")
        file = PlannedFile(
            "credentials.json", content, variable="CREDENTIALS_FILE", placeholder="credentials"
        )
        return Delivery(ways="a file at $CREDENTIALS_FILE", files=[file])
