"""Finds secrets in texts, in every log record of every logger, and in all encodings."""

import base64
import io
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.kit.logging import configure_logging

WINDOW = 10
STEP = 3
"""Any 12 consecutive characters of a secret count as a leak: the mask shows four and four."""


_USUAL = frozenset(vars(logging.makeLogRecord({})))


def forms(secret: str) -> set[str]:
    """Return the texts that reveal the secret or a good part of it, in lower case."""
    secret = secret.encode("utf-8", "replace").decode()
    last = max(0, len(secret) - WINDOW)
    runs = {secret[at : at + WINDOW] for at in (*range(0, last, STEP), last)}
    found = {form for run in runs for form in (run, quote(run, safe=""), run.encode().hex())}
    for shift in range(3):
        # Base64 within a longer text begins at one of three offsets; its ends depend on the
        # context.
        shifted = base64.b64encode(b"\0" * shift + secret.encode()).decode()[4:-4]
        found |= {shifted, shifted.replace("+", "-").replace("/", "_")}
    return {form.lower() for form in found if len(form) >= WINDOW}


def leaks(places: Mapping[str, str], secrets: Iterable[str]) -> list[str]:
    """Return the names of the places that contain a secret. The secrets themselves are not
    repeated.
    """
    wanted = {form for secret in secrets for form in forms(secret)}
    return [
        name
        for name, content in places.items()
        if any(form in lowered for lowered in [content.lower()] for form in wanted)
    ]


def whole_text_of(error: BaseException | None) -> str:
    """Return an error with everything that led to it, including what `from None` hides."""
    texts = []
    while error is not None:
        texts += [*traceback.format_exception(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


class Records(logging.Handler):
    """Collects every record as created, before any formatter could hide something."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])
        self.texts += [record.getMessage(), repr(record.args)]
        self.texts += [repr(vars(record)[name]) for name in vars(record).keys() - _USUAL]
        if record.exc_info:
            self.texts.append(whole_text_of(record.exc_info[1]))

    def keep_event(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Collect structlog's event before its processors."""
        self.texts.append(repr(event))
        return event


class Logs:
    """`records` holds what every logger emitted, `printed` what the service would have printed."""

    def __init__(self, records: Records, stream: io.StringIO) -> None:
        self.records = records
        self._stream = stream

    @property
    def printed(self) -> str:
        return self._stream.getvalue()

    def places(self) -> dict[str, str]:
        return {"log records": "\n".join(self.records.texts), "printed log": self.printed}


def _loggers() -> Iterator[logging.Logger]:
    yield logging.getLogger()
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield logger


@contextmanager
def all_logged() -> Iterator[Logs]:
    """Yield the output of the service's own logging set-up, with every logger set to DEBUG."""
    before = [(logger, logger.level, logger.propagate) for logger in _loggers()]
    handlers = logging.getLogger().handlers[:]
    configure_logging("debug")
    stream, records = io.StringIO(), Records()
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    root.addHandler(records)
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[records.keep_event, *processors])
    for logger in _loggers():
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    try:
        yield Logs(records, stream)
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        for logger in _loggers():
            logger.setLevel(logging.NOTSET)
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate
