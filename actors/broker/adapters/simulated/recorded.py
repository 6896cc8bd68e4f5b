"""Recorded markets: files of trades, quotes or bars, told apart by their first line.

    timestamp,trade_id,price,quantity,side           trades, ISO 8601 times
    timestamp_ms,trade_id,side,price,quantity        trades, milliseconds since 1970
    timestamp,bid,bid_size,ask,ask_size              quotes timestamp,open,high,low,close,volume
    bars, each replayed as four trades: open, low, high, close

Prices are taken exactly as they are written; quantities are rounded to the lot, because recordings hold
what floating point left of them. The whole file is read and checked at the start; lines stay text and
become events when their time comes, so that a month of bars costs a few megabytes. At its end a recording
begins again, one average pause later.
"""

import gzip
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path

import msgspec

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.market import MarketEvent

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_QUARTERS = (0, 15_000_000, 30_000_000, 45_000_000)
"""When the four trades of a one-minute bar happen, in µs after its beginning."""


class MarketFileError(Exception):
    """A recorded market can't be used: which file, where, what was found, what would be right."""

    def __init__(self, path: Path, line: int, found: str, expected: str) -> None:
        super().__init__(f"market file {path}, line {line}: found {found[:80]!r}, expected {expected}")
        self.path = path
        self.line = line
        self.found = found
        self.expected = expected


class Row(msgspec.Struct, frozen=True, gc=False):
    """One happening of a recording, at its own time. `bid` and `ask` are those of a quote."""

    at_us: int
    price: Decimal | None
    quantity: Decimal
    side: str | None
    bid: Decimal | None = None
    ask: Decimal | None = None


def _iso_us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _positive(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{text} is not above zero")
    return value


class _Reader:
    """Reads lines of one format; raises ValueError or InvalidOperation for a line that is none."""

    def __init__(self, lot: Decimal) -> None:
        self._lot = lot

    def _quantity(self, text: str) -> Decimal:
        value = Decimal(text)
        if not value.is_finite() or value < 0:
            raise ValueError(f"{text} is not a quantity")
        lots = _ROUNDING.divide(value, self._lot).to_integral_value(ROUND_HALF_EVEN, _ROUNDING)
        return _ROUNDING.multiply(lots, self._lot)

    def _side(self, text: str) -> str:
        if text not in ("buy", "sell"):
            raise ValueError(f"{text} is not a side")
        return text

    def trade(self, line: str) -> Sequence[Row]:
        at, _trade_id, price, quantity, side = line.split(",")
        return (Row(_iso_us(at), _positive(price), self._quantity(quantity), self._side(side)),)

    def trade_ms(self, line: str) -> Sequence[Row]:
        at, _trade_id, side, price, quantity = line.split(",")
        return (Row(int(at) * 1000, _positive(price), self._quantity(quantity), self._side(side)),)

    def quote(self, line: str) -> Sequence[Row]:
        at, bid, bid_size, ask, ask_size = line.split(",")
        size = min(self._quantity(bid_size), self._quantity(ask_size))
        return (Row(_iso_us(at), None, size, None, _positive(bid), _positive(ask)),)

    def bar(self, line: str) -> Sequence[Row]:
        at, opened, high, low, close, volume = line.split(",")
        at_us, share = _iso_us(at), self._quantity(str(_ROUNDING.divide(Decimal(volume), Decimal(4))))
        prices = (opened, low, high, close)
        return tuple(
            Row(at_us + after, _positive(price), share, None)
            for after, price in zip(_QUARTERS, prices, strict=True)
        )


_FORMATS: dict[str, Callable[[_Reader, str], Sequence[Row]]] = {
    "timestamp,trade_id,price,quantity,side": _Reader.trade,
    "timestamp_ms,trade_id,side,price,quantity": _Reader.trade_ms,
    "timestamp,bid,bid_size,ask,ask_size": _Reader.quote,
    "timestamp,open,high,low,close,volume": _Reader.bar,
}


class RecordedMarket:
    """A recording, replayed for ever. `lines` are the data lines of a file in the format of `header`."""

    def __init__(self, lines: Sequence[str], header: str, *, lot: Decimal, path: Path = Path("-")) -> None:
        parse = _FORMATS.get(header)
        if parse is None:
            raise MarketFileError(path, 1, header, "one of: " + "; ".join(_FORMATS))
        self._parse, self._reader, self._lines = parse, _Reader(lot), lines
        summary = _survey(lines, lambda line: parse(self._reader, line), path)
        self._began_us, self._span_us = summary.began_us, summary.span_us
        self.first = summary.first
        self._quote = summary.first
        self._round = 0
        self._line = 0
        self._waiting: list[Row] = []
        self._newest_us = 0

    def next(self) -> MarketEvent:
        """The next trade or quote; begins again at the end."""
        if not self._waiting:
            if self._line == len(self._lines):
                self._line = 0
                self._round += 1
            self._waiting = list(reversed(self._parse(self._reader, self._lines[self._line])))
            self._line += 1
        row = self._waiting.pop()
        self._quote = _quote_after(self._quote, row)
        self._newest_us = max(self._newest_us, row.at_us - self._began_us + self._round * self._span_us)
        return MarketEvent(
            at_us=self._newest_us,
            quote=self._quote,
            price=row.price,
            quantity=row.quantity,
            side=row.side,
        )


class _Survey(msgspec.Struct, frozen=True):
    """What one reading of the whole file found: when it began, how long a round takes, its first quote."""

    began_us: int
    span_us: int
    first: Quote


def _survey(lines: Sequence[str], parse: Callable[[str], Sequence[Row]], path: Path) -> _Survey:
    bid: Decimal | None = None
    ask: Decimal | None = None
    price: Decimal | None = None
    began_us = ended_us = rows = 0
    for number, line in enumerate(lines, start=2):
        try:
            parsed = parse(line)
        except (ValueError, InvalidOperation) as error:
            raise MarketFileError(path, number, line, f"a line like the others ({error})") from error
        for row in parsed:
            began_us = row.at_us if not rows else began_us
            ended_us = max(ended_us, row.at_us)
            rows += 1
            seen = _quote_after(Quote(), row)
            bid, ask, price = bid or seen.bid, ask or seen.ask, price or row.price
    first = Quote(bid or price, ask or price)
    if not rows or first.bid is None or first.ask is None:
        raise MarketFileError(path, 1, "no data", "at least one line of prices")
    pause_us = (ended_us - began_us) // rows or 1_000_000
    return _Survey(began_us, ended_us - began_us + pause_us, first)


def _quote_after(quote: Quote, row: Row) -> Quote:
    """How the market stands after the row: the last buy is the best ask, the last sell the best bid."""
    if row.price is None:
        return Quote(row.bid, row.ask)
    if row.side == "buy":
        return Quote(quote.bid, row.price)
    if row.side == "sell":
        return Quote(row.price, quote.ask)
    return Quote(row.price, row.price)


def read_market(path: Path, *, lot: Decimal) -> RecordedMarket:
    """Read and check a recorded market, plain or gzipped; raise MarketFileError. Blocks for its length."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise MarketFileError(path, 0, f"{type(error).__name__}: {error}", "a readable CSV file") from error
    header, *lines = [line for line in text.splitlines() if line.strip()] or [""]
    return RecordedMarket(lines, header.strip(), lot=lot, path=path)
