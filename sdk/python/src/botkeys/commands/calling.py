"""What every command does that calls the service. Light: it is imported for help, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from botkeys.commands.output import Output, answering

if TYPE_CHECKING:
    from botkeys.commands.service import Service


@contextmanager
def calling(
    url: str | None, token_file: Path | None, *, as_json: bool
) -> Iterator[tuple["Service", Output]]:
    """Yield the service, called as the user of the token, and the command's output."""
    with answering(as_json=as_json) as output:
        from botkeys.commands.service import Service  # noqa: PLC0415  # not for help

        with Service(url, token_file, output) as service:
            yield service, output
