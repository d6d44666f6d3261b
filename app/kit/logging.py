"""JSON logs on standard output: one line per event, with the request's id, without secrets."""

import logging
import logging.config
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_NAMES = re.compile(
    r"secret|passphrase|password|token|authorization|api_?key|signature|private|cookie|credential",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"bkb_[0-9A-Za-z]{8,}|bks_[\w-]{8,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?i:signature|api_?key)=[^&\s\"']+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
MASK = "[hidden]"

REQUEST_IDS: ContextVar[Mapping[str, str]] = ContextVar("request_ids", default={})  # noqa: B039  # never changed
"""The members that name the request which is being answered, for every line about it."""


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets as a last line of defence: none should have come this far."""
    event.pop("color_message", None)  # uvicorn's duplicate text for terminals
    for name, value in event.items():
        event[name] = _masked(value) if name == "event" else _masked_member(name, value)
    return event


def _add_request_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**REQUEST_IDS.get(), **event}


def masked_text(text: str) -> str:
    return _SECRET_TEXT.sub(MASK, text)


def _masked_member(name: Any, value: Any) -> Any:
    if _SECRET_NAMES.search(str(name)) and not isinstance(value, bool | int):
        return MASK
    return _masked(value)


def _masked(value: Any) -> Any:
    """Return the value with everything that looks secret masked, at any depth."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, dict):
        return {name: _masked_member(name, member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(member) for member in value]
    return value


def _shown(value: Any) -> str:
    return masked_text(repr(value))


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # orjson itself would write out a dataclass field by field, whatever its repr hides.
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    return orjson.dumps(event, default=_shown, option=options).decode()


class Rendered(logging.LogRecord):
    """A record whose message is the complete line, already masked."""

    def __init__(self, logger: str, line: str) -> None:
        super().__init__(logger, logging.INFO, "", 0, line, None, None)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if isinstance(record, Rendered) else super().format(record)


def configure_logging(level: str = "info") -> None:
    """Send structlog and the standard library's records (uvicorn's too) through one renderer."""
    # No line names the thread or the process, and looking them up is a fifth of what a line costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    shared: list[Any] = [
        _add_request_ids,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = {
        "()": _Formatter,
        "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), *shared],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
    }
    quiet = {"level": "WARNING", "propagate": True}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {
                "stdout": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "json",
                }
            },
            "root": {"level": level.upper(), "handlers": ["stdout"]},
            "loggers": {
                # httpx logs whole URLs, and Binance puts the signature into the query.
                "httpx": quiet,
                "httpcore": quiet,
                "uvicorn.access": quiet,
                "alembic": quiet,
                "sqlalchemy.engine": quiet,
            },
        }
    )
