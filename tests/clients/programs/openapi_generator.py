"""A round trip with the client of OpenAPI Generator, python."""

import os

from openapi_client import ApiClient, ApiException, Configuration
from openapi_client.api.keys_api import KeysApi
from openapi_client.models.environment import Environment
from openapi_client.models.key_create import KeyCreate
from openapi_client.models.problem import Problem

configuration = Configuration(host=os.environ["BASE_URL"], access_token=os.environ["TOKEN"])
body = KeyCreate.from_json(os.environ["KEY"])
assert body is not None

with ApiClient(configuration) as client:
    keys = KeysApi(client)
    added = keys.add_key(body)
    assert added.label == body.label

    listed = keys.list_keys(environment=Environment.TESTNET, limit=10)
    assert [key.id for key in listed.items] == [added.id]
    assert listed.next_cursor is None

    try:
        keys.add_key(body)
    except ApiException as error:
        problem = Problem.from_json(str(error.body))
        assert problem is not None
        assert problem.code.actual_instance == "key_already_added"
        assert str(problem.key_id) == str(added.id)
        unknown = Problem.from_dict({**problem.to_dict(), "code": "of_a_later_version"})
        assert unknown is not None
        assert unknown.code.actual_instance == "of_a_later_version"
    else:
        raise AssertionError("the same key was added twice")
