"""Log lines: one JSON object a line with ``timestamp level correlation_id user_id action details``.

Rooms of ``actors`` log through plain :func:`structlog.get_logger` and know nothing of this module; what
they write is shaped here, and here alone a line gets its wall clock time. Libraries that use :mod:`logging`
come out in the same shape. One function does all the shaping: a line is written for every order, so each
step is paid for.

A line never raises: what can't be written as JSON is written as text.
"""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, cast

import msgspec
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from config.redaction import clean, clean_text, is_secret_key
from config.secret import HIDDEN
from config.values import LEVELS

_LEVELS = {"warn": "WARNING", "exception": "ERROR", "fatal": "CRITICAL", "msg": "INFO", "log": "INFO"}
_NUMBERS = {
    **{name.lower(): number for name, number in logging.getLevelNamesMapping().items()},
    **{method: logging.getLevelNamesMapping()[name] for method, name in _LEVELS.items()},
}
# Attributes that every record of the standard library has; whatever else hangs on it was given by the caller.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="string")

Now = Callable[[], datetime]
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def utc_now() -> datetime:
    """The wall clock; the only one that log lines know."""
    return datetime.now(UTC)


class Threshold:
    """Below which level nothing is written; it can be moved while the process runs."""

    def __init__(self) -> None:
        self.level = "INFO"
        self._number = logging.INFO

    def set(self, level: str) -> None:
        """Move it; raises ValueError for a level that there is none of."""
        if level not in LEVELS:
            raise ValueError(f"no log level {level!r}; there are: {', '.join(LEVELS)}")
        self.level, self._number = level, logging.getLevelNamesMapping()[level]
        libraries = logging.INFO if self._number <= logging.DEBUG else max(self._number, logging.WARNING)
        logging.getLogger().setLevel(libraries)

    def __call__(
        self, _logger: WrappedLogger, method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        """Drop a line that is below."""
        if _NUMBERS.get(method, logging.CRITICAL) < self._number:
            raise structlog.DropEvent
        return event


threshold = Threshold()
"""The level of this process's log."""


def configure(level: str = "INFO", *, stream: BinaryIO | None = None, now: Now = utc_now) -> None:
    """Send every log line of ``level`` and above to ``stream`` (standard error unless given).

    Call it once, before anything logs; a later call replaces the earlier for loggers made after it.
    Libraries are heard from WARNING up, unless ``level`` is ``DEBUG``.
    """
    output = sys.stderr.buffer if stream is None else stream
    render = renderer(now)
    structlog.configure(
        processors=[threshold, merge_contextvars, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.BytesLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _LinesHandler):
            root.removeHandler(handler)
    root.addHandler(_LinesHandler(structlog.BytesLogger(output), render))
    logging.captureWarnings(True)
    threshold.set(level)


def get_logger(room: str) -> FilteringBoundLogger:
    """A logger whose lines say from which ``room`` they come; may be made before :func:`configure`."""
    return cast(FilteringBoundLogger, structlog.get_logger(room=room))


def correlated(correlation_id: str, user_id: str | None = None) -> AbstractContextManager[None]:
    """Put the ids on every line that is written inside the block, by this task and the tasks it starts."""
    ids = {"correlation_id": correlation_id}
    if user_id is not None:
        ids["user_id"] = user_id
    return cast(AbstractContextManager[None], bound_contextvars(**ids))


def renderer(now: Now) -> Processor:
    """The last processor: turns the event of a log call into the bytes of its line."""

    def render(_logger: WrappedLogger, method: str, event: MutableMapping[str, object]) -> bytes:
        line = {
            "timestamp": now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": _LEVELS.get(method) or method.upper(),
            "correlation_id": event.pop("correlation_id", None),
            "user_id": event.pop("user_id", None),
            "action": clean_text(str(event.pop("event", ""))),
        }
        line["details"] = _details(event)
        try:
            return _encoder.encode(line)
        except (TypeError, ValueError, OverflowError):
            return _encoder.encode({key: repr(value) for key, value in line.items()})

    return render


def _details(event: MutableMapping[str, object]) -> dict[str, object]:
    exception = event.pop("exc_info", None)
    details: dict[str, object] = {}
    for key, value in event.items():
        if is_secret_key(key):
            details[key] = HIDDEN
        elif isinstance(value, str):
            details[key] = clean_text(value)
        else:
            details[key] = _cleaned(value)
    if exception:
        details["exception"] = clean_text(_traceback(exception))
    return details


def _cleaned(value: object) -> object:
    try:
        return clean(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return clean_text(repr(value))


def _traceback(exception: object) -> str:
    if isinstance(exception, BaseException):
        return "".join(traceback.format_exception(exception))
    if isinstance(exception, tuple):
        return "".join(traceback.format_exception(*cast(_ExcInfo, exception)))
    return traceback.format_exc()


class _LinesHandler(logging.Handler):
    """Takes the records of libraries into the same lines."""

    def __init__(self, output: structlog.BytesLogger, render: Processor) -> None:
        super().__init__()
        self._output = output
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the logger's name becomes the room."""
        try:
            given = {name: value for name, value in vars(record).items() if name not in _RECORD_ATTRIBUTES}
            event = {"event": record.getMessage(), "room": record.name, "exc_info": record.exc_info, **given}
            merged = merge_contextvars(None, "", event)
            self._output.msg(cast(bytes, self._render(None, record.levelname.lower(), merged)))
        except Exception:  # noqa: BLE001 - the standard library's own rule for handlers: report and go on
            self.handleError(record)
