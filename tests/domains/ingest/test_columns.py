"""Batches that are read column by column are read as their model reads them."""

import random
from typing import Any

import pytest
from pydantic import ValidationError

from app.domains.ingest.columns import Columns
from app.domains.ingest.schemas import TRADE_COLUMNS, Trade, TradeBatch, TradeItem

Json = dict[str, Any]

PLAIN: Json = {
    "id": "7f3a-1",
    "symbol": "BTCUSDT",
    "side": "long",
    "quantity": "0.5",
    "entry_price": "97012.5",
    "exit_price": "98100",
    "opened_at": "2026-11-22T09:00:00Z",
    "closed_at": "2026-11-22T10:00:00+00:00",
}
OPTIONAL: Json = {
    "fees": "-1.25",
    "leverage": "10",
    "margin_mode": "cross",
    "position_id": "p-1",
    "contract_type": "inverse",
    "contract_size": "100",
    "settle": "xbt",
    "exit_reason": " take profit ",
}
ODD: tuple[Any, ...] = (
    *(None, True, 0, 1, 1.5, "", " ", "0", "-0", "-0.00", "0.0", "-1", "+1", "1e3", "1_0", ".5"),
    *("1.", "1\n2", "1\n", "٣", "nan", "9" * 20, "9" * 21, "0." + "1" * 40, "0." + "1" * 41),
    *("2026-11-22T09:00:00", "2026-11-22T09:00:00+05:30", "2026-11-22 09:00:00Z", 1e9),
    *("1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "2026-02-30T00:00:00Z"),
    *("9999-12-31T23:59:59-01:00", "2026-11-22T09:00:00Z\n2026-11-22T09:00:00Z", "é", "a b"),
    *("a/b", "a\x00b", "\u202eabc", "x" * 101, "x" * 201, "long", "LONG", "isolated", "quanto"),
    *([], {}, ["1"], {"a": 1}, [{"asset": "BNB", "amount": "1"}]),
)


def read_by_model(item: Json) -> Trade | None:
    """Return the trade, or `None` if the model refuses it."""
    try:
        found = TradeItem.model_validate(item)
    except ValidationError:
        return None
    return Trade._make(getattr(found, name) for name in Trade._fields)


def exactly(trade: Any) -> list[str]:
    """Return the members as they are written, so that 1.0 differs from 1.00."""
    return [repr(member) for member in trade]


def same_as_by_model(items: list[Json], columns: Columns = TRADE_COLUMNS) -> bool:
    """Return whether the batch was read by columns; fail if the model reads it otherwise."""
    rows = columns.read(items)
    for row, item in zip(rows or (), items, strict=rows is not None):
        by_model = read_by_model(item)
        assert by_model is not None, item
        assert exactly(row) == exactly(by_model), item
    return rows is not None


def test_a_trade_has_the_members_of_its_model_in_their_order() -> None:
    assert Trade._fields == tuple(TradeItem.model_fields)


def test_plain_batches_are_read_by_columns() -> None:
    whole = {**PLAIN, **OPTIONAL}

    assert same_as_by_model([PLAIN])
    assert same_as_by_model([PLAIN, whole, {**PLAIN, "id": "x", "leverage": None}, PLAIN])
    assert same_as_by_model([{**PLAIN, "closed_at": "2026-11-22T15:30:00.123+05:30"}])


@pytest.mark.parametrize("name", [*PLAIN, *OPTIONAL])
def test_an_odd_member_is_read_as_by_the_model_or_left_to_it(name: str) -> None:
    whole = {**PLAIN, **OPTIONAL}
    for value in ODD:
        same_as_by_model([whole, {**whole, name: value}, whole])
    same_as_by_model([whole, {other: whole[other] for other in whole if other != name}])


def test_any_mixture_is_read_as_by_the_model() -> None:
    """Of 300 batches, most of one or two odd members, some are read by columns and some not."""
    chance = random.Random(15)  # noqa: S311  # samples, not secrets
    whole = {**PLAIN, **OPTIONAL}
    outcomes = set()
    for _ in range(300):
        items = [dict(chance.choice((PLAIN, whole))) for _ in range(chance.randint(1, 5))]
        for _ in range(chance.randint(0, 2)):
            chance.choice(items)[chance.choice([*whole])] = chance.choice(ODD)
        outcomes.add(same_as_by_model(items))
    assert outcomes == {True, False}


def test_unknown_members_and_what_is_no_object_are_left_to_the_model() -> None:
    odd: Any
    for odd in ({**PLAIN, "sIde": "long"}, [], "x", None, 1):
        assert TRADE_COLUMNS.read([PLAIN, odd]) is None
    assert TRADE_COLUMNS.read([{**PLAIN, "opened_at": "2026-11-22T10:00:01Z"}]) is None


def test_one_bad_item_leaves_the_others_as_they_are() -> None:
    batch = TradeBatch.model_validate({"items": [PLAIN, {**PLAIN, "side": "up"}, PLAIN]})

    good = read_by_model(PLAIN)
    assert [batch.items[0], batch.items[2]] == [good, good]
    assert "side" in getattr(batch.items[1], "detail", "")
