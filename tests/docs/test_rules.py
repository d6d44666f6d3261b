"""The rules of docs/rules.md and the tests that cite them match."""

import functools
import re
from collections import Counter
from pathlib import Path

from app.domains.positions.errors import REFUSALS
from scripts.check_references import ROOT, python_prose, text_files

NUMBER = re.compile(r"\bR\d+\b")
ROW = re.compile(r"^\| (R\d+) \|", re.MULTILINE)
CODE = re.compile(r"`([a-z_]+)`")


def page() -> str:
    return (ROOT / "docs/rules.md").read_text(encoding="utf-8")


def rules() -> list[str]:
    return ROW.findall(page())


@functools.cache
def citations() -> list[tuple[Path, str]]:
    """Return each number that a test of this repository cites; installed packages are not read."""
    found = []
    for path in sorted(text_files(ROOT / "tests")):
        if path.suffix == ".py" and path != Path(__file__):
            prose = python_prose(path.read_text(encoding="utf-8"), messages=False)
            found += [(path.relative_to(ROOT), number) for number in NUMBER.findall(prose)]
    return found


def test_rules_are_numbered_from_one_without_a_gap() -> None:
    assert rules() == [f"R{number}" for number in range(1, len(rules()) + 1)]


def test_every_number_that_a_test_cites_exists() -> None:
    unknown = [f"{path}: {number}" for path, number in citations() if number not in rules()]
    assert unknown == []


def test_every_rule_is_cited_by_a_test() -> None:
    cited = Counter(number for _, number in citations())
    assert [number for number in rules() if not cited[number]] == []


def test_every_code_of_a_rule_is_one_that_the_service_answers() -> None:
    answers = [row.split("|")[3] for row in page().splitlines() if ROW.match(row)]
    named = {code for answer in answers for code in CODE.findall(answer)} - {
        # members of problems, and reasons that block an opening
        "reason",
        "bot",
        "count",
        "limit",
        "retry_after",
        "max_leverage",
        "margin_mode",
        "code",
        "blocked_by",
    }
    source = "".join(path.read_text("utf-8") for path in (ROOT / "app").rglob("errors.py"))
    source += "".join(path.read_text("utf-8") for path in (ROOT / "app").rglob("*_errors.py"))
    assert sorted(code for code in named if f'code = "{code}"' not in source) == []


def test_the_reasons_against_an_opening_stand_in_the_order_of_their_answers() -> None:
    paragraph = page().split("`blocked_by` of a bot: ")[1].split(". None of them")[0]
    of_bot, of_asset = paragraph.split(". Of an asset: ")
    of_asset, unknown = of_asset.split("; ")
    named = [CODE.findall(part) for part in (of_bot, unknown, of_asset)]
    assert [code for part in named for code in part] == list(REFUSALS)
