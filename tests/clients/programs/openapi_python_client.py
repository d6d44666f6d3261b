"""A round trip with the client of openapi-python-client."""

import json
import os
from uuid import uuid4

from botkeys_api import AuthenticatedClient
from botkeys_api.api.bots import get_bot
from botkeys_api.api.keys import add_key, list_keys
from botkeys_api.api.trading_data import import_trades
from botkeys_api.models import Key, KeyCreate, KeyPage, Operation, Problem, ProblemCodeType0

client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["TOKEN"])
body = KeyCreate.from_dict(json.loads(os.environ["KEY"]))

added = add_key.sync(client=client, body=body)
assert isinstance(added, Key), added
assert added.label == body.label

listed = list_keys.sync(client=client, environment=body.environment, limit=10)
assert isinstance(listed, KeyPage), listed
assert [key.id for key in listed.items] == [added.id]
assert listed.next_cursor is None

again = add_key.sync(client=client, body=body)
assert isinstance(again, Problem), again
assert again.code is ProblemCodeType0.KEY_ALREADY_ADDED
assert again.key_id == added.id

missing = get_bot.sync(uuid4(), client=client)
assert isinstance(missing, Problem), missing
assert missing.code is ProblemCodeType0.NOT_FOUND

unknown = Problem.from_dict({**missing.to_dict(), "code": "of_a_later_version"})
assert unknown.code == "of_a_later_version"

imported = import_trades.sync(client=client, body={"items": []}, key_id=added.id)
assert isinstance(imported, Operation), imported
