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
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from types import NoneType, TracebackType
from typing import BinaryIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from config.log_output import Output
from config.redaction import clean, clean_text, is_secret_key, may_hold_secret
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


class LineLogger:
    """What structlog hands finished lines to: the method says how urgent a line is."""

    def __init__(self, output: Output) -> None:
        self.debug = self.info = self.msg = self.log = output.hold
        self.warning = self.warn = self.error = self.exception = self.critical = self.fatal = output.send


def configure(level: str = "INFO", *, stream: BinaryIO | None = None, now: Now = utc_now) -> Output:
    """Send every log line of ``level`` and above to ``stream`` (standard error unless given).

    Call it once, before anything logs; a later call replaces the earlier for loggers made after it.
    Libraries are heard from WARNING up, unless ``level`` is ``DEBUG``. What it returns may be made an
    instrument of trio's loop, so that lines are written once a turn.
    """
    render = renderer(now)

    def tell_lost(lines: int) -> bytes:
        return cast(bytes, render(None, "error", {"event": "log_lines_lost", "room": "log", "lines": lines}))

    output = Output(sys.stderr.buffer if stream is None else stream, tell_lost)
    logger = LineLogger(output)
    structlog.configure(
        processors=[threshold, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=lambda *_args: logger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _LinesHandler):
            root.removeHandler(handler)
    root.addHandler(_LinesHandler(logger, render))
    logging.captureWarnings(True)
    threshold.set(level)
    return output


def get_logger(room: str) -> FilteringBoundLogger:
    """A logger whose lines say from which ``room`` they come; may be made before :func:`configure`."""
    return cast(FilteringBoundLogger, structlog.get_logger(room=room))


_PLAIN = frozenset({str, int, float, bool, NoneType, Decimal})
"""Values that become JSON as they are."""


@lru_cache(maxsize=1024)
def _harmless(keys: tuple[str, ...]) -> bool:
    """Whether values under these keys are no secrets; the lines of one place in the code share their keys."""
    return "exc_info" not in keys and not any(is_secret_key(key) for key in keys)


def _encoded_as_it_is(line: dict[str, object], details: MutableMapping[str, object]) -> bytes | None:
    """The line of plain values that hold no secret, as nearly all do; None for any other."""
    if not (_PLAIN.issuperset(map(type, details.values())) and _harmless(tuple(details))):
        return None
    try:
        encoded = _encoder.encode({**line, "details": details})
    except (TypeError, ValueError, OverflowError):
        return None
    return None if may_hold_secret(encoded) else encoded


def renderer(now: Now) -> Processor:
    """The last processor: turns the event of a log call into the bytes of its line."""

    def render(_logger: WrappedLogger, method: str, event: MutableMapping[str, object]) -> bytes:
        line: dict[str, object] = {
            "timestamp": now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": _LEVELS.get(method) or method.upper(),
            "correlation_id": event.pop("correlation_id", None),
            "user_id": event.pop("user_id", None),
            "action": str(event.pop("event", "")),
        }
        encoded = _encoded_as_it_is(line, event)
        if encoded is not None:
            return encoded
        line["action"] = clean_text(str(line["action"]))
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

    def __init__(self, logger: LineLogger, render: Processor) -> None:
        super().__init__()
        self._logger = logger
        self._render_line = render

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the logger's name becomes the room."""
        try:
            given = {name: value for name, value in vars(record).items() if name not in _RECORD_ATTRIBUTES}
            event = {"event": record.getMessage(), "room": record.name, "exc_info": record.exc_info, **given}
            line = cast(bytes, self._render_line(None, record.levelname.lower(), event))
            if record.levelno >= logging.WARNING:
                self._logger.warning(line)
            else:
                self._logger.info(line)
        except Exception:  # noqa: BLE001 - the standard library's own rule for handlers: report and go on
            self.handleError(record)
