"""What a command prints, and the file that it writes (R66)."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
from rich.console import Console

from botkeys.commands.bot_token_file import new_private_file
from botkeys.commands.endings import CommandError, Ending, UsageFault
from botkeys.commands.output import Output, answering, facts, pick, plain, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("grid [red]1[/red]", "grid [red]1[/red]"),
        ("a\x1b[31mb\nc\x9b", "a�[31mb�c�"),
        ("right\u202eleft", "right�left"),
        ("half\ud800", "half�"),
    ],
)
def test_no_text_of_others_moves_the_terminal(value: object, shown: str) -> None:
    assert plain(value) == shown


def test_tables_keep_long_values_whole_and_markup_as_it_is() -> None:
    written = io.StringIO()
    console = Console(file=written, width=40, highlight=False, markup=False, emoji=False)
    table(console, ("id", "name"), [("x" * 60, "[bold]:smile:\x1b[0m")], "none")
    facts(console, {"label": "[bold]", "id": "y" * 60})
    shown = "".join(written.getvalue().split())
    assert written.getvalue().count("x") == written.getvalue().count("y") == 60
    assert "[bold]:smile:�[0m" in shown
    assert "\x1b" not in shown


def test_on_a_narrow_terminal_each_row_is_a_block() -> None:
    rows = [(f"{number}" * 36, "a label", "okx") for number in range(2)]

    def shown(width: int) -> list[str]:
        written = io.StringIO()
        table(
            Console(file=written, width=width, color_system=None), ("id", "label", "on"), rows, ""
        )
        return [line.rstrip() for line in written.getvalue().splitlines()]

    assert shown(40)[:4] == ["id     " + "0" * 33, "       000", "label  a label", "on     okx"]
    assert len([line for line in shown(80) if "a label" in line and "okx" in line]) == 2


def test_an_error_is_a_document_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    error = CommandError(
        "No.", ending=Ending.REFUSED, code="not_found", members={"status": 404, "code": "x"}
    )
    with pytest.raises(CommandError), answering(as_json=True):
        raise error
    assert json.loads(capsys.readouterr().out) == {
        "error": {"status": 404, "code": "not_found", "detail": "No."},
        "exit_status": 77,
    }
    with pytest.raises(CommandError), answering(as_json=False):
        raise error
    assert capsys.readouterr().out == ""


def test_json_is_ascii_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"name": "käse\ud800\u202e"}
    Output(as_json=True).document(document, lambda _: None)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == document


def test_members_that_are_not_there_are_nothing() -> None:
    assert pick({"bot": {"name": "grid"}}, "bot", "name") == "grid"
    assert pick({"bot": None}, "bot", "name") is None
    assert pick([5], "bot") is None


def test_a_private_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("before")
    path.chmod(0o644)
    with pytest.raises(CommandError), new_private_file(path):
        raise UsageFault("The service is away.")
    assert path.read_text() == "before"
    with new_private_file(path) as write:
        write("after")
    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_known_before_anything_happens(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(os.devnull)
    for path in (tmp_path, tmp_path / "nowhere" / "token", pipe, link, Path(os.devnull)):
        with pytest.raises(UsageFault), new_private_file(path):
            pytest.fail("nothing may happen")
    assert {each.name for each in tmp_path.iterdir()} == {"pipe", "link"}
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert Path(os.devnull).is_char_device()
