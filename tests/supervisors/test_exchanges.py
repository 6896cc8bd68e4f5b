"""Which adapter, switch and schedule an exchange of the settings gets."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from actors.broker.adapters.ccxt.adapter import CcxtExchange
from actors.broker.adapters.ccxt.shadow import ShadowExchange
from actors.broker.adapters.simulated import MemoryLedger
from actors.broker.limiter import Priority
from supervisors.exchanges import (
    BadExchange,
    ExchangeChoice,
    SimulationChoice,
    build_exchanges,
    build_limiters,
    build_switches,
    build_timings,
    check_exchanges,
    is_untested,
)
from tests.actors.broker.world import TestClock


def choice(venue="binance", **fields):
    return ExchangeChoice(**{"name": venue, "kind": "ccxt", "venue": venue, "account_type": "spot", **fields})


def built(one):
    return build_exchanges(
        [one],
        clock=TestClock(),
        symbols=["BTC/USDT"],
        simulation=SimulationChoice(),
        ledgers={one.name: MemoryLedger()},
        instance="abcd",
    )[one.name]


def test_shadow_mode_puts_a_simulated_exchange_before_the_real_market():
    assert isinstance(built(choice()), CcxtExchange)
    assert isinstance(built(choice(shadow=True)), ShadowExchange)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"account_type": "margin"}, "not offered"),
        ({"pins": ("sha256/x",)}, "sha256/"),
        ({"dead_man": "exchange"}, "no dead-man's switch"),
    ],
)
def test_an_account_that_cant_be_traded_as_configured_is_told_before_the_start(fields, why):
    with pytest.raises(BadExchange, match=why) as told:
        check_exchanges([choice(**fields)])
    assert told.value.name == "binance"


@pytest.mark.parametrize(
    ("venue", "one", "other", "share"),
    [
        ("bybit", "spot", "swap", True),
        ("bybit", "swap", "futures", True),
        ("binance", "swap", "usdm", True),
        ("binance", None, "spot", True),
        ("binance", "spot", "swap", False),
    ],
)
def test_accounts_share_what_their_exchange_counts_by_address(venue, one, other, share):
    """Bans and requests, whatever the market and its name in the settings; orders count by account."""
    limiters = build_limiters(
        [
            choice(venue, name="one", account_type=one),
            choice(venue, name="other", account_type=other),
        ]
    )
    by_address = "requests" if venue == "bybit" else "weight"
    limiters["one"].spend(0, {by_address: 500})
    waits = limiters["other"].wait_us(0, {by_address: 1}, Priority.ENTRY)
    assert (waits > 0) is share
    limiters["one"].spend(0, {"orders": 500})
    assert limiters["other"].wait_us(0, {"orders": 1}, Priority.ENTRY) == 0
    assert limiters["one"].wait_us(0, {"orders": 1}, Priority.ENTRY) > 0
    limiters["one"].block(10**9)
    assert (limiters["other"].wait_us(0, {}, Priority.CANCEL) > 0) is share


def test_an_exchange_that_ccxt_does_not_have_is_told_before_the_start():
    """A mistyped name would be reconnected to for ever, and nobody would hear why nothing trades."""
    with pytest.raises(BadExchange, match="no exchange 'binace' with streams") as told:
        check_exchanges([choice("binance"), choice("kraken"), choice("binace")])
    assert told.value.name == "binace"


def test_a_name_is_looked_up_without_loading_the_exchange_library():
    """Loading it costs seconds, and every start looks names up."""
    source = """
        import sys
        from supervisors.exchanges import ExchangeChoice, check_exchanges
        check_exchanges([ExchangeChoice(name="kraken", kind="ccxt", venue="kraken")])
        print([name for name in sys.modules if name.split(".")[0] == "ccxt"])
    """
    command = [sys.executable, "-c", textwrap.dedent(source)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("fields", "watchdog"),
    [
        ({}, False),
        ({"dead_man_seconds": 30.0}, True),
        ({"dead_man_seconds": 30.0, "shadow": True}, False),
        ({"dead_man_seconds": 30.0, "account_type": "swap"}, False),
        ({"dead_man_seconds": 30.0, "account_type": "swap", "dead_man": "watchdog"}, True),
        ({"venue": "bybit", "dead_man_seconds": 30.0}, True),
        ({"venue": "bybit", "dead_man_seconds": 30.0, "dead_man": "exchange"}, False),
        ({"venue": "kraken", "dead_man_seconds": 30.0}, True),
    ],
)
def test_the_watchdog_guards_where_the_exchange_has_nothing_that_anybody_may_use(fields, watchdog):
    one = choice(**fields)
    assert bool(build_switches([one], Path("/nowhere"))) == watchdog
    wanted = None if one.shadow else one.dead_man_seconds
    assert build_timings([one])[one.name].dead_man_seconds == wanted


def test_the_exchanges_own_switch_is_held_where_it_is_wanted():
    bybit = choice("bybit", dead_man_seconds=30.0, dead_man="exchange")
    assert built(bybit).capabilities.dead_mans_switch
    assert not built(choice("bybit", dead_man_seconds=30.0)).capabilities.dead_mans_switch
    assert built(choice(account_type="swap")).capabilities.dead_mans_switch


def test_an_exchange_without_rows_of_its_own_is_untested():
    assert [is_untested(choice(venue)) for venue in ("binance", "bybit", "kraken")] == [False, False, True]
