"""Tells what happens, call by call, and remembers whether it really happened."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import httpx
from rich.console import Console
from rich.text import Text

Json = dict[str, Any]


class StepFailed(Exception):
    """Something that was to happen did not. The text says what, and holds nothing secret."""


class Story:
    """Prints to `file`; every claim goes through `check`, so that none is only words."""

    def __init__(self, file: TextIO) -> None:
        self.told = 0
        self.checked = 0
        self.step_now = "before the first step"
        self._console = Console(file=file, highlight=False, soft_wrap=True, record=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One chapter; a failure inside it is told under its name."""
        self.step_now = f"{self.told + 1}. {title}"
        self._console.print()
        self._console.print(Text(self.step_now, style="bold cyan"))
        yield
        self.told += 1

    def say(self, sentence: str) -> None:
        self._console.print(Text(f"   {sentence}"))

    def command(self, line: str) -> None:
        self._console.print(Text(f"   $ {line}", style="bold"))

    def check(self, holds: bool, claim: str) -> None:
        """Tell that it is so; raises `StepFailed` if it is not."""
        if not holds:
            raise StepFailed(f"this does not hold: {claim}")
        self.checked += 1
        self._console.print(Text.assemble(("   ✓ ", "green"), claim))

    def call(self, answer: httpx.Response, expected: int, *shown: str) -> None:
        """Tell a call: method, path, status, and these members of the answer (`a.b`, `a[].b`).

        Raises `StepFailed` for another status than the expected one.
        """
        request = answer.request
        target = f"{request.method} {request.url.raw_path.decode('ascii')}"
        status = f"{answer.status_code} {answer.reason_phrase}"
        style = "green" if answer.is_success else "yellow"
        self._console.print(Text.assemble((f"   {target}", "bold"), "  →  ", (status, style)))
        if answer.status_code != expected:
            raise StepFailed(f"{target} answered {status}{_code(answer)} instead of {expected}")
        for place in shown:
            value = json.dumps(member(answer.json(), place), ensure_ascii=False)
            self._console.print(Text.assemble((f"      {place}: ", "dim"), value))

    def transcript(self) -> str:
        """All that was printed so far."""
        return self._console.export_text(clear=False)

    def fail(self, reason: str) -> None:
        self._console.print()
        self._console.print(Text(f"✗ Step “{self.step_now}” failed: {reason}", style="bold red"))

    def end(self, sentence: str) -> None:
        self._console.print()
        self._console.print(Text(sentence, style="bold green"))


def member(document: Any, place: str) -> Any:
    """What stands at `a.b`; `items[].label` is the list of that member of every item."""
    head, _, rest = place.partition(".")
    if head.endswith("[]"):
        found = document[head.removesuffix("[]")]
        return [member(item, rest) for item in found] if rest else found
    return member(document[head], rest) if rest else document[head]


def _code(answer: httpx.Response) -> str:
    """The code of a problem: a word of the service, where its text could be anything."""
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return f" ({answer.json().get('code')})"
