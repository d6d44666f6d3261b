"""The check of words finds every form of a word to avoid, and nothing else."""

from pathlib import Path

import pytest

from scripts.check_references import ROOT
from scripts.check_words import EXEMPT, PLAIN_WORDS, faults, uses


def words(text: str) -> list[str]:
    return [word for _, word in uses(text)]


@pytest.mark.parametrize("word", PLAIN_WORDS)
def test_each_word_is_found_in_comments_strings_and_prose(word: str) -> None:
    for text in (f"# as {word}.", f'"{word}"', f'"""{word}, and more."""', f"- `{word}`\n"):
        assert words(text) == [word]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def _told(fault):", "told"),
        ("told_together(usual)", "told"),
        ("self.said.leverage", "said"),
        ("class ToldFault:", "told"),
        ("_TOLD_FAULTS = 5", "told"),
        ("Told by the exchange.", "told"),
        ("it reckons", "reckon"),
        ("Reckoned again", "reckon"),
        ("mended twice", "mend"),
    ],
)
def test_each_form_and_each_part_of_a_name_is_found(text: str, word: str) -> None:
    assert words(text) == [word]


@pytest.mark.parametrize("gap", [" ", "\n", "\n    # ", ' "\n        "'])
def test_a_phrase_is_found_across_lines(gap: str) -> None:
    assert words(f"    # any of{gap}those that are left") == ["of those"]


@pytest.mark.parametrize(
    "text",
    [
        "kind, king, amend, amendment, recommend, unsaid, untold, reckoner",
        "KIND = KinesisClient",
        "those of the other type",
        "a new order",
    ],
)
def test_longer_words_pass(text: str) -> None:
    assert words(text) == []


def test_a_fault_names_file_line_and_plain_words(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page\n\nIt is told.\n", encoding="utf-8")
    assert list(faults(tmp_path)) == [f"page.md:3: told (write: {PLAIN_WORDS['told']})"]


def test_a_package_that_is_skipped_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "module.py").write_text("told = 1\n", encoding="utf-8")
    (tmp_path / "apple.md").write_text("told\n", encoding="utf-8")
    assert [fault.partition(":")[0] for fault in faults(tmp_path, ("app",))] == ["apple.md"]


@pytest.mark.parametrize("place", EXEMPT)
def test_what_is_skipped_exists(place: str) -> None:
    assert (ROOT / place).exists()
