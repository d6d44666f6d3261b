"""What a caller sends is counted before it is parsed, exactly where it matters."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.kit import bounded_json
from app.kit.bounded_json import MAX_DEPTH, MAX_MEMBERS, MAX_NUMBER, MAX_VALUES, OutOfBounds, loads

TEXTS = st.text(st.sampled_from('"\\[]{},:aЖ\n'), max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=40,
)


def depth(document: Any) -> int:
    if not isinstance(document, dict | list):
        return 0
    inner = document.values() if isinstance(document, dict) else document
    return 1 + max(map(depth, inner), default=0)


def count(document: Any) -> int:
    """Return the number of values, with one more for each empty object or array."""
    if not isinstance(document, dict | list):
        return 1
    inner = list(document.values() if isinstance(document, dict) else document)
    return 1 + (sum(map(count, inner)) if inner else 1)


@given(DOCUMENTS, st.booleans(), st.integers(0, 6), st.integers(1, 30))
@example([{}], False, 1, 3)
def test_depth_and_values_are_counted_whatever_the_texts_contain(
    document: Any, escaped: bool, deepest: int, most: int
) -> None:
    sent = json.dumps(document, ensure_ascii=escaped).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_json, "MAX_DEPTH", deepest)
        patch.setattr(bounded_json, "MAX_VALUES", most)
        patch.setattr(bounded_json, "_MAX_QUOTES", 4 * most)
        try:
            bounded_json._check_size(sent)
            fault = None
        except OutOfBounds as error:
            fault = error.kind

    if count(document) > most:
        assert fault == "too_many_values"
    else:
        assert fault == ("too_deep" if depth(document) > deepest else None)


SCALARS = st.sampled_from(
    [
        '"a"',
        '"Ж"',
        '"{"',
        '"a\\u0062"',
        '" "',
        "1",
        "-0",
        "1.5",
        "1e2",
        "9" * 20,
        "true",
        "null",
        "[]",
    ]
)
OBJECTS = st.lists(
    st.tuples(st.sampled_from(['"a"', '"b"', '"c"', '"\\u0061"']), SCALARS), max_size=3
)
SPACES = st.sampled_from(["", " ", "\n", "\t"])


def written(members: list[tuple[str, str]], space: str) -> str:
    inner = ",".join(f"{space}{name}{space}:{space}{value}{space}" for name, value in members)
    return f"{{{inner}}}"


@given(OBJECTS, st.lists(st.lists(OBJECTS, max_size=3), max_size=2), SPACES)
@example([], [[[('"a"', '"b"')]], [[('"a"', "1")]]], "")
def test_what_is_read_at_once_is_what_is_read_carefully(
    members: list[tuple[str, str]], lists: list[list[list[tuple[str, str]]]], space: str
) -> None:
    items = [",".join(written(item, space) for item in many) for many in lists]
    named = [(f'"list {number}"', f"[{many}]") for number, many in enumerate(items)]
    sent = written([*members, *named], space).encode()
    found = bounded_json._plain(sent)
    if found is not None:
        assert repr(found) == repr(bounded_json._DECODER.decode(sent.decode()))


def test_a_plain_batch_is_read_at_once() -> None:
    item = {"id": "1", "at": "2026-11-30T12:00:00Z", "done": True, "count": 2, "note": None}
    for indent in (None, 2):
        batch = {"key_id": "a", "items": [item, {"id": "Ж {[,:"}]}
        sent = json.dumps(batch, ensure_ascii=False, indent=indent).encode()
        assert bounded_json._plain(sent) == batch


@pytest.mark.parametrize(
    "item",
    [
        '{"a":1,"a":1}',
        '{"a":"b","a":"b"}',
        '{"a":"\\u0062"}',
        '{"a":1.5}',
        '{"b":1},{"a":1.5}',
        '{"b":"' + "c" * 5000 + '"},{"a":{}}',
        '{"a":18446744073709551616}',
        '{"a":[]}',
        '{"a":{}}',
        "[]",
        "1",
        '{"a":NaN}',
        "{" + ",".join(f'"{number}":1' for number in range(MAX_MEMBERS + 1)) + "}",
        ",".join(['{"a":1}'] * (MAX_VALUES // 2)),
    ],
)
def test_what_needs_a_closer_look_is_read_carefully(item: str) -> None:
    assert bounded_json._plain(f'{{"items":[{item}]}}'.encode()) is None


_NO_JSON = object()


@given(st.binary(max_size=40) | st.text('"\\[]{},:1', max_size=40).map(str.encode))
def test_what_is_no_json_is_refused_as_such(sent: bytes) -> None:
    try:
        expected = json.loads(sent.decode())
    except (ValueError, RecursionError):
        expected = _NO_JSON
    try:
        found = loads(sent)
    except ValueError as error:
        found = expected if getattr(error, "kind", "") == "duplicate_member" else _NO_JSON
    assert found == expected


def listed(count: int) -> bytes:
    return b"[" + b"1," * (count - 2) + b"1]"


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def members(count: int) -> bytes:
    return json.dumps({str(number): 1 for number in range(count)}).encode()


@pytest.mark.parametrize(
    ("most", "too_much", "kind"),
    [
        (listed(MAX_VALUES), listed(MAX_VALUES + 1), "too_many_values"),
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1), "too_deep"),
        (members(MAX_MEMBERS), members(MAX_MEMBERS + 1), "too_many_members"),
        (b"9" * MAX_NUMBER, b"9" * (MAX_NUMBER + 1), "number_too_long"),
        (b"0." + b"9" * (MAX_NUMBER - 2), b"0." + b"9" * (MAX_NUMBER - 1), "number_too_long"),
        (b'{"a": 1, "b": {"a": 1}}', b'{"a": 1, "\\u0061": 2}', "duplicate_member"),
    ],
)
def test_each_bound_is_exact(most: bytes, too_much: bytes, kind: str) -> None:
    loads(most)
    with pytest.raises(OutOfBounds) as raised:
        loads(too_much)
    assert raised.value.kind == kind


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_only_utf_8_is_read(encoding: str) -> None:
    assert loads('\ufeff"ä"'.encode()) == "ä"
    with pytest.raises((UnicodeDecodeError, json.JSONDecodeError)):
        loads('"ä"'.encode(encoding))
