"""Log lines: their shape, the ids they carry, and what they must not show."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config import Secret, logs
from config.redaction import clean

NOON = datetime(2026, 3, 4, 12, 0, 0, 250, tzinfo=UTC)
Lines = Callable[[], list[dict]]


@pytest.fixture
def configured() -> Iterator[Callable[..., Lines]]:
    """Configure logging onto a buffer; afterwards everything is as before."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)

    def configure(level: str = "INFO") -> Lines:
        stream = io.BytesIO()
        logs.configure(level, stream=stream, now=lambda: NOON)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield configure
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before


def test_a_line_has_the_six_keys_and_nothing_else(configured) -> None:
    lines = configured()
    logs.get_logger("risk").info("order_accepted", order_id="7", qty=Decimal("0.010"))
    assert lines() == [
        {
            "timestamp": "2026-03-04T12:00:00.000250Z",
            "level": "INFO",
            "correlation_id": None,
            "user_id": None,
            "action": "order_accepted",
            "details": {"room": "risk", "order_id": "7", "qty": "0.010"},
        }
    ]


def test_a_plain_structlog_logger_writes_the_same_line(configured) -> None:
    early = structlog.get_logger()
    lines = configured()
    early.warning("margin_low", correlation_id="c-1")
    assert [(line["level"], line["action"], line["correlation_id"]) for line in lines()] == [
        ("WARNING", "margin_low", "c-1")
    ]


@pytest.mark.parametrize(
    ("method", "level"),
    [("info", "INFO"), ("warning", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL")],
)
def test_levels_are_upper_case(configured, method: str, level: str) -> None:
    lines = configured()
    getattr(structlog.get_logger(), method)("x")
    assert lines()[0]["level"] == level


def test_a_line_below_the_level_is_not_written(configured) -> None:
    lines = configured("WARNING")
    structlog.get_logger().info("order_accepted")
    structlog.get_logger().warning("margin_low")
    assert [line["action"] for line in lines()] == ["margin_low"]


def test_the_level_can_be_moved_while_loggers_are_in_use(configured) -> None:
    lines, log = configured("INFO"), logs.get_logger("risk")
    log.debug("unseen")
    log.info("seen")
    logs.threshold.set("DEBUG")
    log.debug("seen too")
    logs.threshold.set("ERROR")
    log.warning("unseen again")
    assert [line["action"] for line in lines()] == ["seen", "seen too"]


def test_a_level_that_is_none_changes_nothing(configured) -> None:
    configured("WARNING")
    with pytest.raises(ValueError, match="no log level 'LOUD'"):
        logs.threshold.set("LOUD")
    assert logs.threshold.level == "WARNING"


def test_an_exception_comes_with_its_traceback(configured) -> None:
    lines = configured()
    try:
        raise ValueError("postgresql://u:hunter2@db/x is down")
    except ValueError:
        structlog.get_logger().exception("append_failed")
    line = lines()[0]
    assert line["level"] == "ERROR"
    assert "ValueError" in line["details"]["exception"]
    assert "hunter2" not in line["details"]["exception"]


def test_an_exception_can_be_given_by_itself(configured) -> None:
    lines = configured()
    error = KeyError("order-7")
    structlog.get_logger().error("append_failed", exc_info=error)
    assert "order-7" in lines()[0]["details"]["exception"]


def test_libraries_come_out_in_the_same_shape(configured) -> None:
    lines = configured()
    logging.getLogger("hypercorn.error").warning("lost %s", "a peer", extra={"peer": "127.0.0.1"})
    assert lines() == [
        {
            "timestamp": "2026-03-04T12:00:00.000250Z",
            "level": "WARNING",
            "correlation_id": None,
            "user_id": None,
            "action": "lost a peer",
            "details": {"room": "hypercorn.error", "peer": "127.0.0.1"},
        }
    ]


def test_libraries_are_heard_from_warning_up(configured) -> None:
    lines = configured()
    logging.getLogger("httpx").info("GET /")
    assert lines() == []


def test_python_warnings_become_lines(configured) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        lines = configured()
        warnings.warn("this is old", stacklevel=1)
        assert "this is old" in lines()[0]["action"]
        logging.captureWarnings(capture=False)


def test_configuring_twice_does_not_double_the_lines_of_libraries(configured) -> None:
    configured()
    lines = configured()
    logging.getLogger("alembic").warning("once")
    assert len(lines()) == 1


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "api_key",
        "apiKey",
        "API_SECRET",
        "password",
        "Authorization",
        "cookie",
        "signature",
        "refresh_token",
    ],
)
def test_what_sounds_like_a_secret_is_hidden(configured, key: str) -> None:
    lines = configured()
    structlog.get_logger().info("x", **{key: "hunter2"}, deep=[{key: {"inner": "hunter2"}}])
    assert "hunter2" not in json.dumps(lines())


def test_what_is_no_secret_is_shown(configured) -> None:
    lines = configured()
    structlog.get_logger().info("x", token_count=3, key="value", symbol="BTC/USDT")
    assert lines()[0]["details"] == {"token_count": 3, "key": "value", "symbol": "BTC/USDT"}


@pytest.mark.parametrize(
    "text", ["Authorization: Bearer hunter2", "postgresql://ann:hunter2@db/x", "redis://:hunter2@cache/0"]
)
def test_secrets_inside_text_are_cut_out(configured, text: str) -> None:
    lines = configured()
    structlog.get_logger().info(text, note=text, deep={"note": [text]})
    assert "hunter2" not in json.dumps(lines())


def test_a_secret_value_hides_itself(configured) -> None:
    lines = configured()
    structlog.get_logger().info("x", setting=Secret("hunter2"), both=(Secret("hunter2"),))
    assert lines()[0]["details"] == {"setting": "********", "both": ["********"]}


class Unprintable:
    """Something that refuses to be text, like a half-built object in a debug line."""

    def __str__(self) -> str:
        raise TypeError("no text")

    def __repr__(self) -> str:
        return "<unprintable>"


@pytest.mark.parametrize(
    "value", [object(), 1 << 100, {1: {2, 3}}, b"\xff", float("nan"), {("a", 1): 2}, Unprintable()]
)
def test_a_line_never_raises(configured, value: object) -> None:
    lines = configured()
    structlog.get_logger().info("x", value=value)
    assert lines()[0]["action"] == "x"


def test_a_value_that_contains_itself_ends_somewhere(configured) -> None:
    lines = configured()
    loop: dict[str, object] = {}
    loop["self"] = loop
    structlog.get_logger().info("x", loop=loop)
    assert lines()[0]["action"] == "x"


SCALARS = st.none() | st.booleans() | st.integers() | st.text("abcdefgh 0123456789/.-")


@given(
    st.dictionaries(
        st.sampled_from(["note", "token", "qty"]),
        st.sampled_from(["x", "Bearer hunter2", "http://a:hunter2@b", "bearer  hunter2", 3, None]),
    )
)
def test_a_line_is_the_same_whether_it_is_written_as_it_is_or_cleaned(details: dict[str, object]) -> None:
    render = logs.renderer(lambda: NOON)
    line = json.loads(render(None, "info", {"event": "x", **details}))
    assert line["details"] == clean(details)


@given(st.lists(SCALARS | st.lists(SCALARS) | st.dictionaries(st.sampled_from(["qty", "price"]), SCALARS)))
def test_plain_data_stay_as_they_are(value: object) -> None:
    assert clean({"value": value}) == {"value": value}
