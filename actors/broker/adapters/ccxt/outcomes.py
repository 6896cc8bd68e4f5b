"""What a submit or a cancel came to: one literal table, read from the top, the first row that fits decides.

It rests on the HTTP status, the exchange's own code and whether anything left this machine. ccxt's exception
class counts only for exchanges without rows of their own, and then only together with a 4xx status. The last
row says unresolved: a refusal needs proof, doubt never is one. Nothing but this decision lives here.

Proofs: Binance REST API, "HTTP return codes" and "Error codes"; Bybit v5, "Error codes".
"""

import re
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Final

import msgspec

from actors.broker.adapters.ccxt.wire import Reply
from actors.broker.port import Confirmed, NotSent, Outcome, Rejected, Unavailable, Unresolved


class Verdict(StrEnum):
    """What is certain after an answer, or after none."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    GONE = "gone"
    THROTTLED = "throttled"
    BANNED = "banned"
    UNRESOLVED = "unresolved"
    NOT_SENT = "not_sent"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the table looks at.

    `verb`: submit, cancel or query. `code`: the exchange's own, empty if it gave none.
    """

    dialect: str
    verb: str
    status: int | None
    code: str
    message: str
    error: str
    wrote: bool
    complete: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: every given condition must hold. `status` is a status or its class (5 for 5xx)."""

    verdict: Verdict
    why: str
    dialects: Collection[str] = ()
    verb: str = ""
    status: Collection[int] = ()
    codes: Callable[[str], bool] | None = None
    message: str = ""
    holds: Callable[[Facts], bool] | None = None

    def fits(self, facts: Facts) -> bool:
        return (
            (not self.dialects or facts.dialect in self.dialects)
            and (not self.verb or facts.verb == self.verb)
            and (not self.status or facts.status in self.status or (facts.status or 0) // 100 in self.status)
            and (self.codes is None or self.codes(facts.code))
            and self.message in facts.message
            and (self.holds is None or self.holds(facts))
        )


def one_of(*codes: int) -> Callable[[str], bool]:
    """The code is one of these."""
    known = frozenset(str(code) for code in codes)
    return known.__contains__


def between(*ranges: tuple[int, int]) -> Callable[[str], bool]:
    """The code is a whole number within one of these closed ranges."""

    def test(code: str) -> bool:
        if not re.fullmatch(r"-?\d{1,9}", code):
            return False
        return any(low <= int(code) <= high for low, high in ranges)

    return test


_BINANCE: Final = ("binance",)
_BYBIT: Final = ("bybit",)
_REFUSING_CLASSES: Final = frozenset(
    {
        "InsufficientFunds",
        "InvalidOrder",
        "OrderImmediatelyFillable",
        "OrderNotFillable",
        "BadSymbol",
        "BadRequest",
        "AuthenticationError",
        "PermissionDenied",
        "MarketClosed",
        "ArgumentsRequired",
    }
)

TABLE: Final[tuple[Row, ...]] = (
    Row(
        verdict=Verdict.NOT_SENT,
        why="no byte of the request left this machine",
        holds=lambda facts: facts.status is None and not facts.wrote,
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="no answer came",
        holds=lambda facts: facts.status is None,
    ),
    Row(verdict=Verdict.BANNED, why="the address is banned", status=(418,)),
    Row(verdict=Verdict.BANNED, why="the address is over its limit", dialects=_BYBIT, status=(403,)),
    Row(verdict=Verdict.THROTTLED, why="over a rate limit", status=(429,)),
    Row(verdict=Verdict.REJECTED, why="the credentials were not accepted", status=(401,)),
    Row(verdict=Verdict.REJECTED, why="stopped before the exchange", dialects=_BINANCE, status=(403, 451)),
    Row(
        verdict=Verdict.THROTTLED,
        why="refused by its own limits before execution",
        dialects=_BINANCE,
        status=(4, 5),
        codes=one_of(-1003, -1008, -1015),
    ),
    Row(verdict=Verdict.UNRESOLVED, why="an error of the exchange's servers", status=(5, 408)),
    Row(
        verdict=Verdict.GONE,
        why="no such open order",
        dialects=_BINANCE,
        verb="cancel",
        status=(400,),
        codes=one_of(-2011, -2013),
    ),
    Row(
        verdict=Verdict.GONE,
        why="no such open order",
        dialects=_BINANCE,
        verb="amend",
        status=(400,),
        codes=one_of(-2011, -2013),
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="its execution status is unknown",
        dialects=_BINANCE,
        codes=one_of(-1000, -1001, -1004, -1006, -1007, -1016, -5041),
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="an order with our id is there already",
        dialects=_BINANCE,
        codes=one_of(-2010),
        message="Duplicate order sent",
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="an order with our id is there already",
        dialects=_BINANCE,
        codes=one_of(-4116, -4111),
    ),
    Row(
        # aiohttp repeats a PUT whose connection broke: the first may have been taken.
        verdict=Verdict.UNRESOLVED,
        why="the order has these terms already",
        dialects=_BINANCE,
        verb="amend",
        codes=one_of(-5027),
    ),
    Row(
        verdict=Verdict.REJECTED,
        why="refused",
        dialects=_BINANCE,
        status=(400,),
        codes=between((-1199, -1002), (-2999, -2000), (-5999, -4000)),
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="its execution status is unknown",
        dialects=_BYBIT,
        codes=one_of(10000, 10016, 10019, 170001, 170007, 170032, 170035, 170146, 170147, 170234),
    ),
    Row(
        verdict=Verdict.UNRESOLVED,
        why="an order with our id is there already",
        dialects=_BYBIT,
        codes=one_of(10014, 110030, 110072, 170141),
    ),
    Row(
        verdict=Verdict.THROTTLED,
        why="over a rate limit",
        dialects=_BYBIT,
        codes=one_of(10006, 10018, 10429, 170005),
    ),
    Row(
        verdict=Verdict.GONE,
        why="no such open order",
        dialects=_BYBIT,
        verb="cancel",
        codes=one_of(110001, 110008, 110010, 170139, 170142, 170143, 170213),
    ),
    Row(
        verdict=Verdict.GONE,
        why="no such open order",
        dialects=_BYBIT,
        verb="amend",
        codes=one_of(110001, 110008, 110010, 170139, 170142, 170143, 170213),
    ),
    Row(
        verdict=Verdict.REJECTED,
        why="refused",
        dialects=_BYBIT,
        status=(2, 4),
        codes=between(
            (10001, 10029),
            (33004, 33004),
            (110000, 110999),
            (170000, 170999),
            (181000, 182999),
            (3100000, 3499999),
        ),
    ),
    Row(
        verdict=Verdict.REJECTED,
        why="refused",
        dialects=("unified",),
        status=(4,),
        holds=lambda facts: facts.error in _REFUSING_CLASSES,
    ),
    Row(
        verdict=Verdict.CONFIRMED,
        why="a complete answer",
        status=(2,),
        holds=lambda facts: facts.complete and not facts.error,
    ),
    Row(verdict=Verdict.UNRESOLVED, why="not a complete answer"),
)

_PUBLIC_CODES: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("binance", "-1013", "PRICE_FILTER", "INVALID_TICK"),
    ("binance", "-1013", "LOT_SIZE", "INVALID_LOT"),
    ("binance", "-1013", "NOTIONAL", "MIN_NOTIONAL"),
    ("binance", "-1111", "", "INVALID_LOT"),
    ("binance", "-2010", "insufficient balance", "INSUFFICIENT_MARGIN"),
    ("binance", "-2019", "", "INSUFFICIENT_MARGIN"),
    ("binance", "-4014", "", "INVALID_TICK"),
    ("binance", "-4023", "", "INVALID_LOT"),
    ("binance", "-4164", "", "MIN_NOTIONAL"),
    ("bybit", "110004", "", "INSUFFICIENT_MARGIN"),
    ("bybit", "110007", "", "INSUFFICIENT_MARGIN"),
    ("bybit", "110012", "", "INSUFFICIENT_MARGIN"),
    ("bybit", "170131", "", "INSUFFICIENT_MARGIN"),
    ("bybit", "110094", "", "MIN_NOTIONAL"),
    ("bybit", "170140", "", "MIN_NOTIONAL"),
    ("bybit", "170134", "", "INVALID_TICK"),
    ("bybit", "170137", "", "INVALID_LOT"),
)


def facts_of(dialect: str, verb: str, reply: Reply, complete: bool) -> Facts:
    """What the table needs to know of a reply.

    `complete`: the dialect found everything that a success must carry.
    """
    body = reply.body if isinstance(reply.body, dict) else {}
    found = body.get("code", body.get("retCode"))
    message = body.get("msg", body.get("retMsg"))
    return Facts(
        dialect=dialect,
        verb=verb,
        status=reply.status,
        code=str(found) if isinstance(found, str | int) and not isinstance(found, bool) else "",
        message=message if isinstance(message, str) else "",
        error=reply.error,
        wrote=reply.wrote,
        complete=complete,
    )


def judge(facts: Facts) -> tuple[Verdict, str]:
    """The verdict and its reason."""
    row = next(row for row in TABLE if row.fits(facts))
    return row.verdict, row.why


def public_code(facts: Facts) -> str:
    """The stable code under which a refusal is told to clients."""
    for dialect, code, part, name in _PUBLIC_CODES:
        if facts.dialect == dialect and facts.code == code and part in facts.message:
            return name
    return "EXCHANGE_REJECTED"


def _wait(dialect: str, verdict: Verdict, reply: Reply) -> float | None:
    """Seconds until the exchange wants to hear from us again: `Retry-After`, or the time that Bybit resets
    a user's limit; that says nothing of a ban.
    """
    headers = {name.lower(): value for name, value in reply.headers.items()}
    plain = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}", plain):
        return float(plain)
    if verdict is Verdict.BANNED:
        return _BAN_WITHOUT_HEADER.get(dialect)
    reset = headers.get("x-bapi-limit-reset-timestamp", "")
    if re.fullmatch(r"\d{1,16}", reset):
        return max(0.0, (int(reset) * 1000 - reply.signed_at_us) / 1e6)
    return None


_BAN_WITHOUT_HEADER: Final = {"binance": 120.0, "bybit": 600.0}


def outcome(dialect: str, verb: str, reply: Reply, confirmed: Confirmed | None) -> Outcome:
    """The port's outcome of a submit or cancel.

    `confirmed` is what the dialect read out of a success, if it could.
    """
    facts = facts_of(dialect, verb, reply, confirmed is not None)
    verdict, why = judge(facts)
    said = " ".join(part for part in (facts.code, facts.message or reply.error) if part)
    reason = f"{why}: {said}" if said else why
    if verdict is Verdict.CONFIRMED and confirmed is not None:
        return confirmed
    if verdict is Verdict.NOT_SENT:
        return NotSent(reason=f"{reason} ({reply.cause})" if reply.cause else reason)
    if verdict in (Verdict.REJECTED, Verdict.GONE):
        return Rejected(code=public_code(facts), reason=reason, gone=verdict is Verdict.GONE)
    if verdict in (Verdict.THROTTLED, Verdict.BANNED):
        return Rejected(
            code="RATE_LIMITED",
            reason=reason,
            throttled=True,
            retry_after_seconds=_wait(dialect, verdict, reply),
        )
    return Unresolved(reason=reason, signed_at_us=reply.signed_at_us)


def unavailable(dialect: str, reply: Reply) -> Unavailable:
    """Why a question was not answered, for the broker's breaker and limiter."""
    facts = facts_of(dialect, "query", reply, complete=False)
    verdict, why = judge(facts)
    said = f"{why}: {facts.code} {facts.message or reply.error} {reply.cause}".rstrip(": ")
    if verdict in (Verdict.THROTTLED, Verdict.BANNED):
        return Unavailable(verdict.value, said, _wait(dialect, verdict, reply))
    if reply.status is None:
        return Unavailable("timeout" if reply.error == "RequestTimeout" else "network", said)
    return Unavailable("exchange", f"HTTP {reply.status}: {said}")
