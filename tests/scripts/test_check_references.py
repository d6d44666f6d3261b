"""The check of references finds what is missing, and nothing else."""

from pathlib import Path

import pytest

from scripts.check_references import Repository, anchors, python_prose

PAGE = """\
# A page

## Locks, and their order

[a heading](#locks-and-their-order) [a module](../app/locks.py) [outside](https://example.org/x.md)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "app/__init__.py": "",
        "app/locks.py": "ORDER = 1\n",
        "docs/page.md": PAGE,
        "README.md": "`app/locks.py`, `docs/{page,other}.md`\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def missing(root: Path) -> list[str]:
    return list(Repository(root).missing())


def test_references_to_what_exists_pass(repository: Path) -> None:
    assert missing(repository) == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("# see docs/gone.md.", "docs/gone.md"),
        ("# see GONE.md, section 3", "GONE.md"),
        ("# as gone.py does", "gone.py"),
        ("# `app.gone` does it", "app.gone"),
        ("# `app.locks.GONE` does it", "app.locks.GONE"),
        ("# held in app/gone/", "app/gone/"),
        ("# one LICENSE for all", "LICENSE"),
        ("# ../shared/notes.md", "../shared/notes.md"),
        ("# the file shared/notes.md", "shared/notes.md"),
        ('"""See docs/gone.md."""', "docs/gone.md"),
        ('FAULT = "look into docs/gone.md"', "docs/gone.md"),
        ('FAULT = f"{ORDER}: docs/gone.md"', "docs/gone.md"),
    ],
)
def test_a_name_of_nothing_is_found_with_its_line(repository: Path, line: str, name: str) -> None:
    (repository / "app/locks.py").write_text(f"ORDER = 1\n{line}\n", encoding="utf-8")
    assert missing(repository) == [f"app/locks.py:2: {name}"]


@pytest.mark.parametrize(
    "line",
    [
        "# app.locks.ORDER, app/locks.py, locks.py and docs/page.md",
        "# e.g. 1.5 of them, a/b, and/or, 24/7, v1/keys, https://app/gone/x.md",
        "# docs/<anything>.md",
        "gone = 'app/gone.py'",
    ],
)
def test_what_names_something_or_is_no_reference_passes(repository: Path, line: str) -> None:
    (repository / "app/locks.py").write_text(f"ORDER = 1\n{line}\n", encoding="utf-8")
    assert missing(repository) == []


def test_a_test_that_skips_may_name_data_beside_the_repository(repository: Path) -> None:
    test = repository / "tests/test_recorded.py"
    test.parent.mkdir()
    test.write_text("# ../shared/recorded\n", encoding="utf-8")
    assert missing(repository) == ["tests/test_recorded.py:1: ../shared/recorded"]
    test.write_text("# ../shared/recorded\npytest.skip('not there')\n", encoding="utf-8")
    assert missing(repository) == []


@pytest.mark.parametrize("link", ["page.md#gone", "gone.md", "../app/gone.py", "#gone"])
def test_a_link_to_nothing_is_found(repository: Path, link: str) -> None:
    (repository / "docs/other.md").write_text(f"# Other\n\n[so]({link})\n", encoding="utf-8")
    assert missing(repository) == [f"docs/other.md:3: {link}"]


def test_a_folder_that_holds_nothing_but_caches_does_not_exist(repository: Path) -> None:
    (repository / "app/gone/__pycache__").mkdir(parents=True)
    (repository / "app/gone/__pycache__/x.pyc").write_bytes(b"")
    (repository / "docs/other.md").write_text("`app/gone`\n", encoding="utf-8")
    assert missing(repository) == ["docs/other.md:1: app/gone"]


def test_a_placeholder_that_fits_no_file_is_found(repository: Path) -> None:
    (repository / "docs/other.md").write_text("`app/*/gone.py`\n", encoding="utf-8")
    assert missing(repository) == ["docs/other.md:1: app/*/gone.py"]


def test_code_in_a_page_is_not_read(repository: Path) -> None:
    text = "```sh\ncat docs/gone.md\n```\n\ndocs/lost.md\n"
    (repository / "docs/other.md").write_text(text, encoding="utf-8")
    assert missing(repository) == ["docs/other.md:5: docs/lost.md"]


def test_packages_of_an_sdk_are_known_by_their_import_name(repository: Path) -> None:
    package = repository / "sdk/python/src/botkeys"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""`botkeys.client`."""\n', encoding="utf-8")
    found = "sdk/python/src/botkeys/__init__.py:1: botkeys.client"
    assert missing(repository) == [found]
    (package / "client.py").write_text("", encoding="utf-8")
    assert missing(repository) == []


def test_prose_keeps_the_lines_of_the_module() -> None:
    text = '"""One.\n\nThree."""\n\nX = 1  # five\n"""Six."""\n'
    lines = [line.strip() for line in python_prose(text).splitlines()]
    assert lines[:6] == ["One.", "", "Three.", "", "# five", "Six."]


def test_anchors_are_those_of_headings_outside_code(repository: Path) -> None:
    (repository / "x.md").write_text("# Ä: it's `x`\n```\n# no\n```\n## Two\n", encoding="utf-8")
    assert anchors(repository / "x.md") == {"ä-its-x", "two"}
