"""Invalid JSON, invalid addresses, and the id of each request."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from app.domains.trading.fields import Positive
from app.kit.bounded_json import loads
from tests.support.variants import changed
from tests.support.world import User, World


async def send(user: User, content: Any, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json", **headers}
    return await user.http.post("/v1/bots", content=content, headers=sent)


async def test_what_is_no_json_is_refused_without_an_echo(world: World) -> None:
    user = world.user()
    bodies = [
        b"",
        b"PLANTED",
        b"{",
        b'{"name": "PLANTED"',
        b'{"name": "PLANTED",}',
        b"\xff\xfe\x00P",
        b'{"name": "\xff PLANTED"}',
        b"[" * 50_000,
        b'{"a":' * 8_000 + b"1" + b"}" * 8_000,
        b'{"name": NaN}',
        b'{"PLANTED": 1}',
        b'{"name": ' + b"1" * 10_000 + b"}",
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000"}',
    ]

    for body in bodies:
        answer = await send(user, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body[:40]
        assert answer.headers["content-type"] == "application/problem+json"
        assert "PLANTED" not in answer.text
        for error in answer.json()["errors"]:
            assert set(error) == {"loc", "type", "msg"}


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"],
)
async def test_a_body_that_is_not_called_json_is_refused(world: World, media_type: str) -> None:
    user = world.user()

    answer = await send(user, b'{"name": "x"}', **{"Content-Type": media_type})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/JSON"])
async def test_json_may_be_called_so_in_other_words(world: World, media_type: str) -> None:
    answer = await send(world.user(), b'{"name": "x"}', **{"Content-Type": media_type})

    assert answer.status_code == 201


async def test_a_body_without_a_type_is_refused(world: World) -> None:
    user = world.user()

    answer = await user.http.post(
        "/v1/bots", content=b'{"name": "x"}', headers={"Authorization": f"Bearer {user.token}"}
    )

    assert answer.status_code == 415


async def test_a_body_that_is_too_large_is_refused_in_one_piece_and_in_many(world: World) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 100

    async with changed(world, settings={"body_limit": 1024}) as small:
        whole = await send(small.user(), b" " * 2000)
        streamed = await send(small.user(), pieces())
        fits = await send(small.user(), b'{"name": "x"}' + b" " * 900)

    for answer in (whole, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.json()["limit"] == 1024
    assert fits.status_code == 201


async def test_a_bad_token_is_reported_before_the_body_is_looked_at(world: World) -> None:
    user = world.user()
    headers = {"Authorization": "Bearer nonsense", "Content-Type": "text/plain"}

    answer = await user.http.post("/v1/bots", content=b"{", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/assets/0/nothing.js", 404, "not_found"),
        ("GET", "/v1/keys/", 404, "not_found"),
        ("GET", "/V1/keys", 404, "not_found"),
        ("PUT", "/v1/keys", 405, "method_not_allowed"),
        ("DELETE", "/v1/exchanges", 405, "method_not_allowed"),
        ("POST", "/v1/runtime/config", 405, "method_not_allowed"),
    ],
)
async def test_an_address_that_is_none_is_a_problem_too(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    answer = await world.user().call(method, path)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:botkeys:problem:{code}"
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    if status == 405:
        assert answer.headers["allow"]


async def test_a_request_id_is_echoed_in_answers_and_problems(world: World) -> None:
    user = world.user()
    sent = {"X-Request-ID": "from-the-dashboard_1.2"}

    taken = await user.get("/v1/keys", headers=sent)
    refused = await user.get(f"/v1/keys/{uuid4()}", headers=sent)

    assert taken.headers["x-request-id"] == sent["X-Request-ID"]
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == sent["X-Request-ID"]


@pytest.mark.parametrize("sent", ["", "x" * 65, "with space", "a\tb", "new<line>"])
async def test_a_request_id_that_could_harm_a_log_is_replaced(world: World, sent: str) -> None:
    answer = await world.user().get("/v1/keys", headers={"X-Request-ID": sent})

    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_every_answer_forbids_caching_and_guessing(world: World) -> None:
    user = world.user()

    for answer in (
        await user.get("/v1/keys"),
        await user.get("/v1/nothing"),
        await world.http.get("/v1/keys"),
        await world.http.get("/livez"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (['"1"'], 200),
        (['"7", "1"'], 200),
        (['"7","1" ,"8"'], 200),
        (['"7"', '"1"'], 200),
        (['W/"1", "1"'], 200),
        (["*"], 200),
        (['"7", "8"'], 412),
        (['W/"1"'], 412),
        (['W/"1", "2"'], 412),
        (['"x,1"'], 412),
        (["1"], 412),
        ([""], 412),
        (['"' + "9" * 40 + '"'], 412),
        (["x" * 501], 422),
    ],
)
async def test_any_strong_tag_of_if_match_may_be_the_state_s(
    world: World, tags: list[str], status: int
) -> None:
    """Follow RFC 9110, 13.1.1: also in several lines, and never a weak tag."""
    user = world.user()
    bot = await user.add_bot()

    answer = await world.http.request(
        "PATCH",
        f"/v1/bots/{bot['id']}",
        content=b'{"name": "new"}',
        headers=[
            ("Authorization", f"Bearer {user.token}"),
            ("Content-Type", "application/json"),
            *(("If-Match", tag) for tag in tags),
        ],
    )

    assert answer.status_code == status
    name = "new" if status == 200 else bot["name"]
    assert (await user.get(f"/v1/bots/{bot['id']}")).json()["name"] == name


async def test_metrics_count_refusals_by_code_and_hold_no_ids(world: World) -> None:
    user = world.user()
    missing = uuid4()
    await user.get(f"/v1/keys/{missing}")

    metrics = (await world.http.get("/metrics")).text

    assert 'botkeys_refusals_total{code="not_found"}' in metrics
    assert 'route="/v1/keys/{key_id}",status="404"' in metrics
    assert str(missing) not in metrics


async def test_a_refused_method_names_all_that_the_address_takes(world: World) -> None:
    answer = await world.user().put(f"/v1/keys/{uuid4()}", {})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


async def test_a_compressed_body_is_refused_as_such(world: World) -> None:
    answer = await world.user().post(
        "/v1/bots", {"name": "b"}, headers={"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("tag", ['"x"', 'W/"1"', '"1"'])
async def test_what_is_not_there_is_not_found_whatever_state_was_expected(
    world: World, tag: str
) -> None:
    path = f"/v1/bots/{uuid4()}"
    answer = await world.user().patch(path, {"name": "b"}, headers={"If-Match": tag})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("0.1234567890123456789", False),
        ("1.00000000000000000001", False),
        ("12345678901234567.5", False),
        ("1.00000000000000000000", True),
        ("12345678901234567", True),
        ("0.125", True),
    ],
)
async def test_a_number_that_json_cannot_hold_is_refused_rather_than_rounded(
    number: str, kept: bool
) -> None:
    adapter = TypeAdapter[Decimal](Positive)
    read = loads(number.encode())
    if kept:
        assert adapter.validate_python(read) == Decimal(number)
    else:
        with pytest.raises(ValidationError, match="as text"):
            adapter.validate_python(read)


@pytest.mark.parametrize(
    "path",
    ["equity-snapshots?symbol=BTCUSDT", "trades?enviroment=live&limit=5", "exchanges?planted=x"],
)
async def test_a_query_parameter_that_nobody_reads_is_refused_without_its_name(
    world: World, path: str
) -> None:
    answer = await world.user().get(f"/v1/{path}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["loc"] for error in answer.json()["errors"]] == [["query"]]
    assert path.partition("?")[2].partition("=")[0] not in answer.text


async def test_twenty_faults_are_listed_and_the_others_counted(world: World) -> None:
    body = json.dumps({f"made_up_{number}": 1 for number in range(150)}).encode()

    errors = (await send(world.user(), body)).json()["errors"]

    assert len(errors) == 21
    assert errors[-1] == {
        "loc": ["body"],
        "type": "more_faults",
        "msg": "131 more faults are not listed",
    }
