"""Files in pieces, in bad shape, and of any size (rules R58 and R59)."""

import asyncio
import gc
import json
import random
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.domains.history.export_formats import CsvLines, unquoted
from app.domains.imports.formats.own import OwnFormat
from app.domains.imports.formats.row import Target
from app.domains.imports.instruments import Instruments
from app.domains.imports.records import (
    LONGEST_RECORD,
    CsvRecords,
    JsonRecords,
    Malformed,
    NdjsonRecords,
    Record,
    Records,
)
from app.domains.imports.service import _Reading
from botkeys.exchanges.model import ContractType
from tests.support.imports import CSV, JSON, NDJSON, exported, send
from tests.support.world import Json, World

KEY = {"id": str(uuid4()), "label": "One", "exchange": "okx", "environment": "testnet"}
BAD = {
    "nothing": (JSON, b""),
    "no array": (JSON, b'{"name": 1}'),
    "a number": (JSON, b"12"),
    "half an item": (JSON, b'[{"id": "a"'),
    "no comma": (JSON, b"[{} {}]"),
    "two documents": (JSON, b"[] []"),
    "not a number": (JSON, b'[{"pnl": NaN}]'),
    "deep": (JSON, b"[" * 60_000),
    "deep members": (JSON, b'{"items":' * 20_000),
    "a huge item": (JSON, b'[{"id": "' + b"a" * LONGEST_RECORD + b'"}]'),
    "not UTF-8": (JSON, b'[{"id": "\xff"}]'),
    "a long line": (NDJSON, b'{"id": "' + b"a" * LONGEST_RECORD + b'"}\n'),
    "half a line": (NDJSON, b'{"id": "a"}\n{"id": "b'),
    "a NUL": (NDJSON, b'{"id": "\0"}\n'),
    "an empty table": (CSV, b""),
    "another table": (CSV, b"a,b\r\n1,2\r\n"),
    "a column twice": (CSV, b"id,id\r\n1,2\r\n"),
    "a table with semicolons": (CSV, b"id;bot_id;key_id\r\n1;2;3\r\n"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_file_that_is_not_readable_is_refused_whole_and_leaves_nothing(
    world: World, name: str
) -> None:
    user = world.user()
    key = await user.add_key()
    media_type, content = BAD[name]
    answer = await send(user, content, media_type, key_id=key["id"])
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, "invalid_request"), answer.text
    assert document["errors"][0]["type"] == "file_unreadable"
    assert len(answer.content) < 2048
    assert (await user.get("/v1/operations")).json()["items"] == []


@pytest.mark.parametrize("media_type", [JSON, NDJSON, CSV])
async def test_rows_in_bad_shape_are_refused_one_by_one(world: World, media_type: str) -> None:
    user = world.user()
    key = await user.add_key()
    row = json.dumps(exported("x", key)).encode()
    members = ",".join(f'"m{number}": 1' for number in range(500)).encode()
    contents = {
        JSON: b'[1, null, {}, [], "a", {%s}, {"id": "\\ud800\\u0000"}]' % members,
        NDJSON: b"1\nnull\n{}\n{\n%s,\n{%s}\n\n" % (row, members),
        CSV: CsvLines(list(exported("x", key))[3:]).begin() + b'1,2\r\n"\r\n"a"b,c\r\n,,,\r\n',
    }
    content = contents[media_type]
    answer = await send(user, content, media_type, key_id=key["id"])
    assert answer.status_code == 202, answer.text
    counts = answer.json()["receipt"]["imported"]
    assert counts["read"] == counts["refused"]["invalid_item"] > 3
    assert counts["stored"] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Encoding": "gzip"}, 415), ({"Content-Type": "application/xml"}, 415)],
)
async def test_a_packed_file_or_another_type_is_refused(
    world: World, headers: dict[str, str], status: int
) -> None:
    user = world.user()
    key = await user.add_key()
    answer = await user.http.post(
        f"/v1/trades/import?key_id={key['id']}",
        content=b"[]",
        headers={"Authorization": f"Bearer {user.token}", "Content-Type": JSON, **headers},
    )
    assert (answer.status_code, answer.json()["code"]) == (status, "unsupported_media_type")
    assert "text/csv" in answer.json()["detail"]


async def test_a_file_that_announces_too_much_is_not_read(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    answer = await user.http.post(
        f"/v1/trades/import?key_id={key['id']}",
        content=b"[]",
        headers={
            "Authorization": f"Bearer {user.token}",
            "Content-Type": JSON,
            "Content-Length": str(512 * 1024 * 1024 + 1),
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def records(kind: str) -> Records:
    if kind == CSV:
        return CsvRecords(("id",))
    return NdjsonRecords() if kind == NDJSON else JsonRecords([("items",), ("a", "*", "b")])


ITEMS: list[Json] = [{"id": f"é{number}", "n": "1.50", "x": '"],}\\'} for number in range(9)]
FILES = {
    JSON: [
        json.dumps(ITEMS),
        json.dumps({"first": [1, {"items": 2}], "items": ITEMS, "last": "]"}, indent=1),
        json.dumps({"a": {"any": {"c": [0], "b": ITEMS}}}, ensure_ascii=False),
    ],
    NDJSON: ["\n".join(json.dumps(item, ensure_ascii=False) for item in ITEMS)],
    CSV: ["id,n,x\r\n" + "\r\n".join(f'é{number},1.50,"""],}}\\"' for number in range(9))],
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_cut_alike_however_it_arrives(kind: str) -> None:
    rng = random.Random(7)  # noqa: S311
    for file in FILES[kind]:
        for mark in (b"", b"\xef\xbb\xbf"):
            content = mark + file.encode()
            for size in (1, 7, 100, len(content)):
                reading = records(kind)
                found: list[Record] = []
                at = 0
                while at < len(content):
                    step = rng.randint(1, size)
                    found += reading.feed(content[at : at + step])
                    at += step
                found += reading.end()
                assert [record.members for record in found] == ITEMS


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (NDJSON, '{"id": "a"}\n{"id": {"b": 1}'),
        (NDJSON, '{"id": "a"}\n{'),
        (CSV, "id,x\na,1\nb"),
        (CSV, 'id,x\na,1\nb,"1'),
        (CSV, 'id,x\na,1\n"b""'),
    ],
)
def test_a_file_that_was_cut_off_in_its_last_line_is_not_readable(kind: str, file: str) -> None:
    """Rule R59. With its line end, the same line is a row that is refused alone."""
    cut = records(kind)
    assert len(list(cut.feed(file.encode()))) == 1
    with pytest.raises(Malformed, match=r"in the middle of line [23]\."):
        list(cut.end())
    whole = records(kind)
    found = [*whole.feed(f"{file}\n".encode()), *whole.end()]
    assert [record.members is None for record in found] == [False, True]


def test_numbers_are_not_rounded() -> None:
    reading = JsonRecords([])
    found = [*reading.feed(b'[{"a": 0.1000000000000000055, "b": 12}]'), *reading.end()]
    assert found[0].members == {"a": "0.1000000000000000055", "b": 12}


def test_a_file_in_single_bytes_is_not_read_again_and_again() -> None:
    reading = JsonRecords([])
    content = b'[{"id": "' + b"a" * (LONGEST_RECORD - 100) + b'"}]'
    found = [record for byte in content for record in reading.feed(bytes([byte]))]
    found += reading.end()
    assert len(found) == 1
    with pytest.raises(Malformed):
        list(reading.feed(b"x"))


def test_every_text_comes_back_from_a_spreadsheet_s_cell() -> None:
    rng = random.Random(11)  # noqa: S311
    lines = CsvLines(["x"])
    for _ in range(2000):
        value = "".join(rng.choice("'=+-@;\t\" aé") for _ in range(rng.randint(0, 9)))
        document: Json = {"id": "i", "bot": None, "key": None, "x": value}
        reading = CsvRecords(("x",))
        (record,) = [*reading.feed(lines.begin() + lines.write([document])), *reading.end()]
        assert record.members is not None
        assert unquoted(record.members["x"] or "") == value


class _Staging:
    """Staging that forgets its rows, and remembers how many came at once."""

    most = 0

    async def stage(self, _claim: Any, rows: list[Any], *_: Any, **__: Any) -> int:
        self.most = max(self.most, len(rows))
        return len(rows)


def test_memory_does_not_grow_with_the_file() -> None:
    """Nothing else runs meanwhile: what other tasks of the session's loop allocate would count."""
    line = json.dumps(exported("t", KEY)).encode() + b"\n"

    async def chunks(rows: int) -> AsyncIterator[bytes]:
        for _ in range(rows // 100):
            yield line * 100

    async def nothing(*_: Any) -> Any:
        return None

    async def peak(rows: int) -> int:
        staging = _Staging()
        target = Target(uuid4(), "okx", "testnet", ContractType.LINEAR, None, None, frozenset())
        reading = _Reading(
            records=NdjsonRecords(),
            form=OwnFormat(target),
            staging=staging,  # type: ignore[arg-type]
            claim=uuid4(),
            begin=nothing,
            instruments=Instruments(nothing, SimpleNamespace()),  # type: ignore[arg-type]
            latest=datetime.now(UTC),
        )
        gc.collect()
        tracemalloc.start()
        await reading.read(chunks(rows))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert reading.receipt()["imported"]["read"] == rows
        assert 1000 <= staging.most < 1200
        return most

    asyncio.run(peak(1200))  # makes what is made once, and kept
    small, large = asyncio.run(peak(1200)), asyncio.run(peak(3600))
    assert large < small + 512 * 1024, (small, large)
