"""Numbers in bodies: exact, or known to be rounded."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.kit.bounded_json import loads
from app.kit.json_codec import SAFE_DIGITS, Rounded

_DIGITS = st.text("0123456789", min_size=1, max_size=30)
_SIGNIFICANT = st.from_regex(r"-?(0|[1-9][0-9]{0,24})\.[0-9]{1,24}", fullmatch=True)
NUMBERS = st.one_of(
    _SIGNIFICANT,
    st.builds("{}e{}".format, _SIGNIFICANT, st.integers(-340, 290)),
    st.builds("1.{}{}".format, st.integers(0, 30).map(lambda count: "0" * count), _DIGITS),
)


@given(NUMBERS)
def test_a_number_is_read_to_the_last_digit_or_is_rounded(text: str) -> None:
    number, exact = loads(text.encode()), Decimal(text)

    written = "".join(map(str, exact.as_tuple().digits)).strip("0")
    if isinstance(number, Rounded):
        assert len(written) > SAFE_DIGITS or not number
    else:
        assert len(written) <= SAFE_DIGITS
        # Below this, a float has fewer digits: those numbers are closer to 0 than any amount.
        assert Decimal(repr(number)) == exact or abs(exact) < Decimal("1e-290")


def test_the_rest_is_read_as_ever() -> None:
    sent = b'{"a": [1, 10000000000000000000000001, true, null, "0.12345678901234567890"], "b": 0.5}'
    assert loads(sent) == {
        "a": [1, 10**25 + 1, True, None, "0.12345678901234567890"],
        "b": 0.5,
    }
