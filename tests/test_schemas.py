"""Names that people give."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas import Label

LABEL: TypeAdapter[str] = TypeAdapter(Label)


@pytest.mark.parametrize(
    "name", ["BTC Perps Key", "Ключ", "鍵 2", "👩‍🔬 lab", "می‌خواهم", "e\u0301"]
)
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert LABEL.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u200d", "\u200b", "a\u202eb", "a\x00b", "a\nb", "\u2066", "\ufeff", "x" * 101],
)
def test_names_that_cannot_be_seen_or_that_mislead_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        LABEL.validate_python(name)
