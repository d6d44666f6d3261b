"""Prints what happens, call by call, and records whether it really happened."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import httpx
from rich.console import Console
from rich.text import Text

Json = dict[str, Any]


class StepFailed(Exception):
    """Something that should have happened did not. The message says what, without any secret."""


class Story:
    """A story printed to `file`. Every claim goes through `check`, so that each one is verified."""

    def __init__(self, file: TextIO) -> None:
        self.steps_done = 0
        self.checked = 0
        self.step_now = "before the first step"
        self._console = Console(file=file, highlight=False, soft_wrap=True, record=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Run one chapter; a failure inside it is reported under its name."""
        self.step_now = f"{self.steps_done + 1}. {title}"
        self._console.print()
        self._console.print(Text(self.step_now, style="bold cyan"))
        yield
        self.steps_done += 1

    def say(self, sentence: str) -> None:
        self._console.print(Text(f"   {sentence}"))

    def command(self, line: str) -> None:
        self._console.print(Text(f"   $ {line}", style="bold"))

    def check(self, holds: bool, claim: str) -> None:
        """Print that the claim holds; raise `StepFailed` if it does not."""
        if not holds:
            raise StepFailed(f"this does not hold: {claim}")
        self.checked += 1
        self._console.print(Text.assemble(("   ✓ ", "green"), claim))

    def call(self, answer: httpx.Response, expected: int, *shown: str) -> None:
        """Print a call: method, path, status, and these members of the response (`a.b`, `a[].b`).

        Raises `StepFailed` for a status other than the expected one.
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
        """Return everything printed so far."""
        return self._console.export_text(clear=False)

    def fail(self, reason: str) -> None:
        self._console.print()
        self._console.print(Text(f"✗ Step “{self.step_now}” failed: {reason}", style="bold red"))

    def end(self, sentence: str) -> None:
        self._console.print()
        self._console.print(Text(sentence, style="bold green"))


def member(document: Any, place: str) -> Any:
    """Return the member at `a.b`; `items[].label` is the list of that member of every item."""
    head, _, rest = place.partition(".")
    if head.endswith("[]"):
        found = document[head.removesuffix("[]")]
        return [member(item, rest) for item in found] if rest else found
    return member(document[head], rest) if rest else document[head]


def _code(answer: httpx.Response) -> str:
    """Return the code of a problem, a fixed word, whereas its text could be anything."""
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return f" ({answer.json().get('code')})"
