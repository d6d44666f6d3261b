"""Lists of addresses and networks in settings."""

import pytest

from app.kit.addresses import networks


def test_addresses_and_networks_are_kept_once_in_their_usual_spelling() -> None:
    written = ("203.0.113.7", "203.0.113.0/24", "2001:0DB8::1", "2001:db8::/64", "203.0.113.7/32")
    expected = ("203.0.113.7", "203.0.113.0/24", "2001:db8::1", "2001:db8::/64")
    assert networks(written) == expected
    assert networks(()) == ()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("localhost", "must be an IP address or a network"),
        ("203.0.113.7/24", "without bits beyond its prefix"),
        ("203.0.113.256", "must be an IP address"),
        ("https://203.0.113.7", "must be an IP address"),
        ("0.0.0.0/0", "restricts nothing"),
        ("::/0", "restricts nothing"),
    ],
)
def test_a_word_that_is_none_is_named_by_its_number_and_not_repeated(
    word: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        networks(("203.0.113.7", word))
    assert "item 2" in str(refused.value)
    assert word not in str(refused.value).replace("203.0.113.0/24", "")
