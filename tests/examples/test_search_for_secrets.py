"""The demo's search: it must find every secret, in any encoding."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.search import files_below, find

SECRET = "77ACDAF9A2BC1A5A/932F58033C29E30"


@pytest.mark.parametrize(
    "dress",
    [
        SECRET.encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        quote(SECRET, safe="").encode(),
    ],
)
def test_a_secret_is_found_in_every_dress(dress: bytes) -> None:
    found = find({"secret": SECRET}, [("here", b"before" + dress + b"after"), ("there", b"x" * 99)])
    assert found == [("secret", "here")]


@given(before=st.binary(max_size=8), after=st.binary(max_size=8))
def test_a_secret_is_found_in_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    raw = before + SECRET.encode() + after
    for text in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        assert find({"secret": SECRET}, [("here", text)]) == [("secret", "here")]


@given(st.binary(max_size=4000))
def test_nothing_is_found_where_nothing_is(noise: bytes) -> None:
    assert find({"secret": SECRET}, [("here", noise)]) == []


def test_a_text_too_short_to_be_distinctive_is_not_searched_for() -> None:
    with pytest.raises(ValueError, match="found by chance"):
        find({"secret": "short"}, [])


def test_every_file_below_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"deep")
    (tmp_path / "d").write_bytes(b"flat")

    assert list(files_below(tmp_path)) == [("a/b/c", b"deep"), ("d", b"flat")]
