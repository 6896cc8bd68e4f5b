"""Several markets on one clock."""

from decimal import Decimal

import pytest

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.adapters.simulated.playback import BURST, BURST_SECONDS, CATCH_UP, Playback

QUOTE = Quote(Decimal(1), Decimal(2))


class Metronome:
    """A market with an event every so many seconds."""

    first = QUOTE

    def __init__(self, seconds: float) -> None:
        self.step = round(seconds * 1_000_000)
        self.at_us = 0

    def next(self) -> MarketEvent:
        self.at_us += self.step
        return MarketEvent(at_us=self.at_us, quote=QUOTE)


def played(playback: Playback, now: float, *, driven: bool = False) -> list[tuple[str, float]]:
    """Symbols and market times of what is due."""
    return [(symbol, event.at_us / 1_000_000) for symbol, event in playback.due(now, driven=driven)]


def test_events_of_all_markets_come_in_the_order_of_their_times() -> None:
    """And none before its time."""
    playback = Playback({"B": Metronome(2), "A": Metronome(3)}, 1.0, 100.0)
    assert playback.first_quotes() == {"A": QUOTE, "B": QUOTE}
    assert played(playback, 101.9) == []
    assert playback.seconds_to_next(101.5) == 0.5
    assert played(playback, 106.0) == [("B", 2), ("A", 3), ("B", 4), ("A", 6), ("B", 6)]
    assert played(playback, 106.0) == []


def test_speed_says_how_fast_market_time_passes() -> None:
    """Ten times as fast."""
    playback = Playback({"A": Metronome(10)}, 10.0, 0.0)
    assert playback.seconds_to_next(0.0) == 1.0
    assert played(playback, 3.0) == [("A", 10), ("A", 20), ("A", 30)]


def test_at_speed_zero_only_a_driver_moves_the_markets() -> None:
    """Some events each time, whatever the clock says."""
    playback = Playback({"A": Metronome(1000)}, 0.0, 0.0)
    assert played(playback, 1e9) == []
    assert len(played(playback, 0.0, driven=True)) == BURST
    assert playback.seconds_to_next(0.0) == BURST_SECONDS


def test_after_a_long_stop_the_markets_go_on_where_they_were() -> None:
    """Nobody wants to replay a night; and it would block everything else."""
    playback = Playback({"A": Metronome(1)}, 1.0, 0.0)
    now = 10.0 * CATCH_UP
    found = played(playback, now)
    assert [at for _symbol, at in found] == list(range(1, CATCH_UP + 1))
    assert playback.seconds_to_next(now) == 0.0
    assert played(playback, now + 1) == [("A", CATCH_UP + 1), ("A", CATCH_UP + 2)]


@pytest.mark.parametrize("began", [0.0, 0.1, 12345.678901, 1e9 / 3])
@pytest.mark.parametrize("speed", [1.0, 3.0, 1000.0, 1e6])
def test_whoever_sleeps_until_the_next_event_finds_it_due(began: float, speed: float) -> None:
    """Else a loop that sleeps so would spin for ever on a clock that jumps."""
    playback = Playback({"A": Metronome(0.123457)}, speed, began)
    now, found = began, 0
    for _ in range(200):
        now += playback.seconds_to_next(now)
        found += len(played(playback, now))
    assert found >= 100


def test_without_markets_nothing_is_ever_due() -> None:
    """And nobody wakes up for it."""
    playback = Playback({}, 1.0, 0.0)
    assert played(playback, 1e9) == []
    assert playback.seconds_to_next(0.0) == float("inf")
    with pytest.raises(ValueError, match="speed"):
        Playback({}, -1.0, 0.0)
