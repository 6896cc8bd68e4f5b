"""Recorded markets: every format is told by its first line, prices are exact, and the recording loops."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.recorded import MarketFileError, RecordedMarket, read_market

LOT = Decimal("0.000001")
D = Decimal

TRADES = """timestamp,trade_id,price,quantity,side
2021-01-08T00:00:00.278Z,1,39432.48,0.000263,sell
2021-01-08T00:00:00.310Z,2,39439.44,0.00031099999999999997,buy
2021-01-08T00:00:01.278Z,3,39430.5,0.0000004,sell
"""


def market(tmp_path: Path, text: str) -> RecordedMarket:
    """A recording with this content."""
    path = tmp_path / "market.csv"
    path.write_text(text)
    return read_market(path, lot=LOT)


def test_trades_move_the_side_of_their_aggressor(tmp_path: Path) -> None:
    """The last buy is the best ask, the last sell the best bid; quantities are rounded to the lot."""
    recording = market(tmp_path, TRADES)
    assert recording.first == Quote(D("39432.48"), D("39439.44"))
    first, second, third = (recording.next() for _ in range(3))
    assert (first.at_us, first.price, first.quantity, first.side) == (0, D("39432.48"), D("0.000263"), "sell")
    assert (second.at_us, second.price, second.quantity) == (32_000, D("39439.44"), D("0.000311"))
    assert third.quote == Quote(D("39430.5"), D("39439.44"))
    assert third.quantity == 0


def test_a_recording_begins_again_one_average_pause_after_its_end(tmp_path: Path) -> None:
    """Time goes on, and the quote is that of the end until new trades move it."""
    recording = market(tmp_path, TRADES)
    for _ in range(3):
        recording.next()
    again = recording.next()
    assert again.at_us == 1_000_000 + 333_333
    assert again.price == D("39432.48")
    assert again.quote == Quote(D("39432.48"), D("39439.44"))
    times = [recording.next().at_us for _ in range(50)]
    assert times == sorted(times)


def test_without_one_side_the_first_price_stands_for_it(tmp_path: Path) -> None:
    """Both sides are known from the start."""
    recording = market(tmp_path, "\n".join(TRADES.splitlines()[:2]))
    assert recording.first == Quote(D("39432.48"), D("39432.48"))


def test_trades_with_milliseconds_have_their_columns_in_another_order(tmp_path: Path) -> None:
    """Prices keep every digit."""
    recording = market(
        tmp_path,
        "timestamp_ms,trade_id,side,price,quantity\n"
        "1570752011620,1,sell,0.00141342,23.0\n1570752017964,2,buy,0.00141379,8.0\n",
    )
    assert recording.first == Quote(D("0.00141342"), D("0.00141379"))
    recording.next()
    event = recording.next()
    assert (event.at_us, event.price, event.quantity, event.side) == (6_344_000, D("0.00141379"), 8, "buy")


def test_quotes_have_no_price_and_the_smaller_of_their_sizes(tmp_path: Path) -> None:
    """That much may execute against what rests."""
    recording = market(
        tmp_path,
        "timestamp,bid,bid_size,ask,ask_size\n2021-01-08T00:00:01.076Z,39432.99,0.0031,39433.62,0.066851\n",
    )
    event = recording.next()
    assert (event.price, event.side, event.quantity) == (None, None, D("0.0031"))
    assert event.quote == recording.first == Quote(D("39432.99"), D("39433.62"))


def test_a_bar_is_replayed_as_open_low_high_close(tmp_path: Path) -> None:
    """A quarter of a minute apart, a quarter of the volume each; both sides follow."""
    recording = market(
        tmp_path,
        "timestamp,open,high,low,close,volume\n2021-12-31 23:01:00.000000,100.0,103.0,99.0,101.0,8\n"
        "2021-12-31 23:02:00.000000,101.0,101.0,101.0,101.0,8\n",
    )
    found = [recording.next() for _ in range(5)]
    assert [event.price for event in found] == [100, 99, 103, 101, 101]
    assert [event.at_us // 1_000_000 for event in found] == [0, 15, 30, 45, 60]
    assert {event.quantity for event in found} == {D(2)}
    assert found[1].quote == Quote(D(99), D(99))
    assert found[1].side is None


def test_a_compressed_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    """Told by its first bytes, not by its name."""
    path = tmp_path / "market.csv"
    path.write_bytes(gzip.compress(TRADES.encode()))
    assert read_market(path, lot=LOT).next() == market(tmp_path / ".", TRADES).next()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("a,b\n1,2\n", 1),
        ("timestamp,trade_id,price,quantity,side\n", 1),
        (TRADES + "2021-01-08T00:00:02Z,4,NaN,1,buy\n", 5),
        (TRADES + "2021-01-08T00:00:02Z,4,0,1,buy\n", 5),
        (TRADES + "2021-01-08T00:00:02Z,4,1,-1,buy\n", 5),
        (TRADES + "2021-01-08T00:00:02Z,4,1,1,hold\n", 5),
        (TRADES + "yesterday,4,1,1,buy\n", 5),
        (TRADES + "2021-01-08T00:00:02Z,4,1\n", 5),
    ],
)
def test_a_file_that_can_not_be_used_says_which_line_and_why(tmp_path: Path, text: str, line: int) -> None:
    """At the start, not hours later when the line's time comes."""
    with pytest.raises(MarketFileError) as caught:
        market(tmp_path, text)
    assert caught.value.line == line
    assert caught.value.expected
    assert "market.csv" in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(MarketFileError, match="nowhere"):
        read_market(tmp_path / "nowhere.csv", lot=LOT)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(MarketFileError):
        read_market(broken, lot=LOT)


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "lines", "first"),
    [
        ("binance-btcusdt-trades-2021-01-08.csv", 2001, Quote(D("39432.48"), D("39439.44"))),
        ("binance-btcusdt-quotes-2021-01-08.csv", 451, Quote(D("39432.99"), D("39433.62"))),
        ("binance-xrpeth-trades-2019-10.csv.gz", 12_477, Quote(D("0.00141342"), D("0.00141379"))),
        ("btc-perp-1m-2022-01.csv.gz", 45_031, Quote(D(46319), D(46319))),
    ],
)
def test_the_recordings_of_real_markets_are_read(
    recorded_data: Path, name: str, lines: int, first: Quote
) -> None:
    """Whole, with the prices they begin with."""
    recording = read_market(recorded_data / name, lot=LOT)
    assert len(recording._lines) == lines
    assert recording.first == first
    events = [recording.next() for _ in range(100)]
    assert all(event.quote.bid and event.quote.ask for event in events)
