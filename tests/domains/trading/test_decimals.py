"""Decimals in bodies: exactly what the OpenAPI document allows is accepted."""

from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.domains.assets.schemas import Leverage
from app.domains.trading.fields import Amount, NotNegative, Positive
from app.kit.json_codec import SAFE_DIGITS

KINDS: dict[str, Any] = {
    "amount": Amount,
    "not negative": NotNegative,
    "positive": Positive,
    "leverage": Leverage,
}
_WHOLE = st.text("0123456789", max_size=41)
TEXTS = st.one_of(
    st.from_regex(r"[-+]?[0-9]{1,3}(\.[0-9]{1,5})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.builds("{}.{}".format, _WHOLE, _WHOLE),
    st.builds("{}{}e{}".format, st.sampled_from("-0123"), _WHOLE, st.integers(-42, 21)),
    st.builds(str, st.decimals(allow_nan=False, allow_infinity=False)),
    st.text(max_size=5),
)
NUMBERS = st.one_of(
    st.integers(-(10**21), 10**21),
    st.sampled_from([0.0, -0.0, 0.5, 1e-40, 9e-41, 1e19, 1e20, -1e20, 1e-5, 0.0001, 99_999.5, 1e5]),
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_says_which_texts_are_taken_as_decimals(kind: str) -> None:
    """The schema mentions no numbers, though they are accepted: a client would send them rounded.
    Its description states that zero is not positive, since many clients fail on patterns with
    look-ahead.
    """
    adapter = TypeAdapter[Decimal](KINDS[kind])
    document = adapter.json_schema()
    schema = jsonschema_rs.validator_for(document)
    above_zero = document.get("description", "").startswith("More than 0")

    @given(TEXTS | NUMBERS)
    def agree(sent: Any) -> None:
        try:
            taken: Decimal | None = adapter.validate_python(sent)
        except ValidationError:
            taken = None
        if taken is not None:
            assert taken == Decimal(sent if isinstance(sent, str) else repr(sent))
        fits = schema.is_valid(sent)
        if not isinstance(sent, str):
            assert not fits, sent
        elif fits and above_zero and not Decimal(sent):
            assert taken is None, sent
        else:
            assert fits == (taken is not None), sent

    agree()


def test_what_python_and_exchanges_write_is_taken() -> None:
    third = Decimal(100_000) / 3
    adapter = TypeAdapter[Decimal](Positive)
    for number in (third, third.scaleb(-9), Decimal("1E-8"), Decimal("1E+2"), Decimal("0.00100")):
        assert adapter.validate_python(str(number)) == number
    assert adapter.validate_python("1e-8") == adapter.validate_python(1e-8) == Decimal("1e-8")
    assert TypeAdapter[Decimal](Amount).validate_python(str(Decimal("0E-8"))) == 0
    assert len(str(third).replace(".", "")) > SAFE_DIGITS
