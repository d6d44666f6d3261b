"""Names given by people, and JSON's booleans and numbers."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from app.api.schemas import WHOLE_NUMBER, Flag, Label, Symbol
from app.kit.bounded_json import loads

LABEL: TypeAdapter[str] = TypeAdapter(Label)


@pytest.mark.parametrize("name", ["BTC Perps Key", "Ключ", "鍵 2", "👩‍🔬 lab", "می‌خواهم", "é"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert LABEL.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u200d", "\u200b", "a\u202eb", "a\x00b", "a\nb", "\u2066", "\ufeff", "x" * 101],
)
def test_names_that_cannot_be_seen_or_that_mislead_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        LABEL.validate_python(name)


@pytest.mark.parametrize("blank", [" ", "   ", "\u00a0", "\u3000 ", "\u200d", "\t", ""])
def test_no_symbol_is_blank(blank: str) -> None:
    symbol: TypeAdapter[str] = TypeAdapter(Symbol)
    assert symbol.validate_python("BTC USDT ☂") == "BTC USDT ☂"
    with pytest.raises(ValidationError):
        symbol.validate_python(blank)


@pytest.mark.parametrize("sent", ["true", "false", "on", "y", "", 1, 0, 1.0, None])
def test_only_json_s_own_words_are_flags(sent: object) -> None:
    flag = TypeAdapter[bool](Flag)
    assert (flag.validate_json("true"), flag.validate_python(False)) == (True, False)
    with pytest.raises(ValidationError):
        flag.validate_python(sent)


def test_only_json_s_whole_numbers_are_counts() -> None:
    count = TypeAdapter[int](Annotated[int, WHOLE_NUMBER])
    assert (count.validate_python(3), count.validate_python(loads(b"3.0"))) == (3, 3)
    for sent in (True, False, "3", " 3", "3_0", "+3", 3.5, loads(b"3.00000000000000000001")):
        with pytest.raises(ValidationError):
            count.validate_python(sent)
