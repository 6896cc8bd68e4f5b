"""What is certain after an answer, or after none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.adapters.ccxt import outcomes
from actors.broker.adapters.ccxt.outcomes import Facts, Verdict, judge
from actors.broker.adapters.ccxt.wire import Reply
from actors.broker.port import Confirmed, NotSent, Rejected, Unresolved


def verdict(dialect, status, code="", *, verb="submit", message="", error="", wrote=True, complete=False):
    facts = Facts(
        dialect=dialect,
        verb=verb,
        status=status,
        code=code,
        message=message,
        error=error,
        wrote=wrote,
        complete=complete,
    )
    return judge(facts)[0]


UNKNOWN = [
    ("binance", None, "", "RequestTimeout"),
    ("binance", None, "", "ExchangeNotAvailable"),
    ("binance", 500, "", "ExchangeNotAvailable"),
    ("binance", 502, "", "ExchangeNotAvailable"),
    ("binance", 503, "-1001", "OperationFailed"),
    ("binance", 504, "", "ExchangeNotAvailable"),
    ("binance", 400, "-1000", "OperationFailed"),
    ("binance", 400, "-1001", "OperationFailed"),
    ("binance", 400, "-1006", "OperationFailed"),
    ("binance", 408, "-1007", "RequestTimeout"),
    ("binance", 400, "-1007", "RequestTimeout"),
    ("binance", 400, "", "ExchangeError"),
    ("binance", 400, "-9999", "ExchangeError"),
    ("binance", 200, "", ""),
    ("binance", 200, "", "ExchangeError"),
    ("binance", 302, "", ""),
    ("bybit", 200, "10000", "ExchangeError"),
    ("bybit", 200, "10016", "ExchangeError"),
    ("bybit", 200, "10019", "ExchangeError"),
    ("bybit", 200, "170001", "ExchangeError"),
    ("bybit", 200, "170035", "BadRequest"),
    ("bybit", 200, "170234", "ExchangeError"),
    ("binance", 400, "-5041", "RateLimitExceeded"),
    ("bybit", 503, "10016", "ExchangeError"),
    ("bybit", 200, "", ""),
    ("bybit", 200, "999", "ExchangeError"),
    ("unified", 200, "", "InsufficientFunds"),
    ("unified", 400, "", "ExchangeError"),
    ("unified", 500, "", "InvalidOrder"),
]


@pytest.mark.parametrize(("dialect", "status", "code", "error"), UNKNOWN)
def test_an_answer_that_proves_nothing_leaves_the_order_unresolved(dialect, status, code, error):
    """Whatever ccxt's exception is called."""
    assert verdict(dialect, status, code, error=error) is Verdict.UNRESOLVED


REFUSED = [
    ("binance", 400, "-2010", "InsufficientFunds"),
    ("binance", 400, "-1013", "BadRequest"),
    ("binance", 400, "-1021", "InvalidNonce"),
    ("binance", 400, "-2019", "InsufficientFunds"),
    ("binance", 400, "-4164", "InvalidOrder"),
    ("binance", 400, "-5022", "InvalidOrder"),
    ("binance", 401, "-2015", "DDoSProtection"),
    ("binance", 403, "", "ExchangeNotAvailable"),
    ("binance", 451, "0", "ExchangeNotAvailable"),
    ("bybit", 200, "10002", "InvalidNonce"),
    ("bybit", 200, "10003", "AuthenticationError"),
    ("bybit", 200, "10004", "AuthenticationError"),
    ("bybit", 200, "33004", "AuthenticationError"),
    ("bybit", 200, "110007", "InsufficientFunds"),
    ("bybit", 200, "170131", "InsufficientFunds"),
    ("bybit", 401, "", "AuthenticationError"),
    ("unified", 400, "", "InvalidOrder"),
    ("unified", 401, "", "AuthenticationError"),
]


@pytest.mark.parametrize(("dialect", "status", "code", "error"), REFUSED)
def test_a_structured_refusal_is_a_refusal(dialect, status, code, error):
    assert verdict(dialect, status, code, error=error) is Verdict.REJECTED


THROTTLED = [
    ("binance", 429, "-1003", Verdict.THROTTLED),
    ("binance", 429, "-1015", Verdict.THROTTLED),
    ("binance", 503, "-1008", Verdict.THROTTLED),
    ("binance", 418, "-1003", Verdict.BANNED),
    ("bybit", 200, "10006", Verdict.THROTTLED),
    ("bybit", 200, "10018", Verdict.THROTTLED),
    ("bybit", 403, "", Verdict.BANNED),
    ("bybit", 429, "", Verdict.THROTTLED),
    ("unified", 429, "", Verdict.THROTTLED),
]


@pytest.mark.parametrize(("dialect", "status", "code", "expected"), THROTTLED)
def test_a_throttle_proves_that_nothing_was_accepted(dialect, status, code, expected):
    assert verdict(dialect, status, code) is expected


@pytest.mark.parametrize(
    ("dialect", "status", "code", "message"),
    [
        ("binance", 400, "-2010", "Duplicate order sent."),
        ("binance", 400, "-4116", "ClientOrderId is duplicated."),
        ("bybit", 200, "10014", "Request is duplicate"),
        ("bybit", 200, "110030", "Duplicate orderId"),
        ("bybit", 200, "110072", "OrderLinkedID is duplicate"),
        ("bybit", 200, "170141", "Duplicate clientOrderId"),
    ],
)
def test_a_duplicate_id_means_that_an_order_is_there(dialect, status, code, message):
    """An id is used once: if it is taken, our own request arrived twice."""
    assert verdict(dialect, status, code, message=message, error="InvalidOrder") is Verdict.UNRESOLVED


@pytest.mark.parametrize(
    ("dialect", "status", "code"),
    [
        ("binance", 400, "-2011"),
        ("binance", 400, "-2013"),
        ("bybit", 200, "110001"),
        ("bybit", 200, "170143"),
        ("bybit", 200, "170213"),
    ],
)
def test_a_cancel_of_what_is_not_open_is_gone(dialect, status, code):
    """For a submit the same code is an ordinary refusal."""
    assert verdict(dialect, status, code, verb="cancel") is Verdict.GONE
    assert verdict(dialect, status, code, verb="amend") is Verdict.GONE
    assert verdict(dialect, status, code, verb="submit") is Verdict.REJECTED


def test_nothing_written_means_not_sent():
    """A refused connection, a failed handshake, a wait for a free connection."""
    assert verdict("binance", None, error="ExchangeNotAvailable", wrote=False) is Verdict.NOT_SENT


def test_only_a_complete_answer_confirms():
    assert verdict("binance", 200, complete=True) is Verdict.CONFIRMED
    assert verdict("binance", 200, complete=True, error="ExchangeError") is Verdict.UNRESOLVED
    assert verdict("binance", 500, complete=True) is Verdict.UNRESOLVED


@given(
    dialect=st.sampled_from(["binance", "bybit", "unified"]),
    status=st.one_of(st.none(), st.integers(100, 599)),
    code=st.one_of(st.just(""), st.integers(-9999, 200_000).map(str)),
    error=st.sampled_from(["", "ExchangeError", "NetworkError", "RequestTimeout", "InvalidOrder"]),
    complete=st.booleans(),
)
def test_a_refusal_always_has_an_answer_and_a_confirmation_a_complete_one(
    dialect, status, code, error, complete
):
    """Over all facts: no refusal without a status, none out of a server error but the exchange's own
    overload.
    """
    found = verdict(dialect, status, code, error=error, complete=complete)
    if found in (Verdict.REJECTED, Verdict.GONE):
        assert status is not None
        assert status // 100 in (2, 4)
    if found is Verdict.CONFIRMED:
        assert complete
        assert status is not None
        assert status // 100 == 2
    if found is Verdict.NOT_SENT:
        pytest.fail("a byte was written")


def reply(status, body=None, **more):
    return Reply(status=status, body=body, signed_at_us=1_700_000_000_000_000, wrote=True, **more)


def test_an_unresolved_outcome_carries_the_signed_time():
    """The proof of absence starts there."""
    found = outcomes.outcome("binance", "submit", reply(None, error="RequestTimeout"), None)
    assert found == Unresolved(reason="no answer came: RequestTimeout", signed_at_us=1_700_000_000_000_000)


def test_a_refusal_carries_the_exchanges_words_and_a_stable_code():
    body = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    found = outcomes.outcome("binance", "submit", reply(400, body, error="InsufficientFunds"), None)
    assert isinstance(found, Rejected)
    assert found.code == "INSUFFICIENT_MARGIN"
    assert "-2010 Account has insufficient balance" in found.reason


def test_retry_after_is_heeded_in_each_exchanges_way():
    """A header in seconds, Bybit's reset time, and the documented ban where nothing is told."""
    told = outcomes.outcome("binance", "submit", reply(429, headers={"Retry-After": "7"}), None)
    reset = {"X-Bapi-Limit-Reset-Timestamp": "1700000001500"}
    later = outcomes.outcome(
        "bybit", "submit", reply(200, {"retCode": 10006}, headers=reset, error="x"), None
    )
    banned = outcomes.outcome("bybit", "submit", reply(403), None)
    assert [found.retry_after_seconds for found in (told, later, banned)] == [7.0, 1.5, 600.0]
    assert all(isinstance(found, Rejected) and found.throttled for found in (told, later, banned))


def test_the_reset_of_a_users_limit_says_nothing_of_a_ban_of_the_address():
    """Bybit tells the present time there while that limit has room: the ban would be met at once again."""
    now = {"X-Bapi-Limit-Reset-Timestamp": "1700000000000"}
    banned = outcomes.outcome("bybit", "submit", reply(403, headers=now), None)
    asked = outcomes.unavailable("bybit", reply(403, headers=now))
    assert (banned.retry_after_seconds, asked.retry_after_seconds) == (600.0, 600.0)
    told = outcomes.unavailable("bybit", reply(403, headers={"Retry-After": "30", **now}))
    assert told.retry_after_seconds == 30.0


def test_a_confirmation_is_passed_on_and_a_refused_connection_is_not_sent():
    done = Confirmed(exchange_order_id="1")
    assert outcomes.outcome("binance", "submit", reply(200, {}), done) is done
    never = Reply(
        status=None, wrote=False, error="ExchangeNotAvailable", cause="ClientConnectorError", signed_at_us=1
    )
    found = outcomes.outcome("binance", "submit", never, None)
    assert isinstance(found, NotSent)
    assert "ClientConnectorError" in found.reason


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (None, "RequestTimeout", "timeout"),
        (None, "ExchangeNotAvailable", "network"),
        (503, "ExchangeNotAvailable", "exchange"),
        (429, "DDoSProtection", "throttled"),
        (418, "DDoSProtection", "banned"),
        (400, "BadSymbol", "exchange"),
    ],
)
def test_a_question_without_an_answer_says_of_which_kind_the_trouble_is(status, error, kind):
    """The broker's breaker and limiter tell them apart."""
    assert outcomes.unavailable("binance", reply(status, error=error)).kind == kind
