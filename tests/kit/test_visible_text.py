"""Names of all scripts are taken, and nothing in them is invisible."""

import unicodedata

import pytest

from app.kit.visible_text import VIRAMAS, is_blank, is_visible

DEFAULT_IGNORABLE = [
    *(0x00AD, 0x034F, 0x061C, 0x3164, 0xFEFF, 0xFFA0, 0x115F, 0x1160, 0x17B4, 0x17B5),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
]
"""The code points with the property Default_Ignorable_Code_Point of Unicode."""


def test_no_code_point_that_unicode_calls_ignorable_passes_between_letters() -> None:
    for point in DEFAULT_IGNORABLE:
        for around in ("a{}b", "א{}ב", "1{}2", "{}a", "a{}", "한{}글"):
            assert not is_visible(around.format(chr(point))), hex(point)


@pytest.mark.parametrize("category", ["Cc", "Cs", "Co", "Zl", "Zp"])
def test_no_control_or_private_character_passes(category: str) -> None:
    found = [c for c in map(chr, range(0x10000)) if unicodedata.category(c) == category]
    assert found
    assert not any(is_visible(f"a{c}b") for c in found)


@pytest.mark.parametrize(
    "text",
    [
        "שלום עולם",
        "مرحبا",
        "می‌خواهم",
        "क्‍ष",
        "র‍্যাব",
        "ශ්‍රී",
        "日本語 キー",
        "Straße №1",
        "a\u00a0b",
        "👩‍🔬 lab",
        "👩🏽‍🚀",
        "❤️",
        "1️⃣",
        "🏳️‍🌈",
        "🇩🇪",
        "👨‍👩‍👧‍👦",
        "Zażółć gęślą",
    ],
)
def test_text_of_all_scripts_and_emoji_are_visible(text: str) -> None:
    assert is_visible(text)
    assert not is_blank(text)


@pytest.mark.parametrize(
    "text", ["a\u200db", "ab\u200c", "a\ufe0f", "1\ufe0f", "\u200d👩", "👩\u200d"]
)
def test_joiners_and_selectors_are_refused_where_they_join_and_select_nothing(text: str) -> None:
    assert not is_visible(text)


@pytest.mark.parametrize("text", ["", " ", "\u00a0", "\u3000", "\u2800", "\u0301", " \u20dd"])
def test_spaces_and_marks_alone_are_blank(text: str) -> None:
    assert is_blank(text)


def test_the_viramas_are_those_of_unicode() -> None:
    assert all(unicodedata.combining(character) == 9 for character in VIRAMAS)
    assert len(set(VIRAMAS)) == len(VIRAMAS)
