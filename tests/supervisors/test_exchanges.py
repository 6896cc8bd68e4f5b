"""Which adapter, switch and schedule an exchange of the settings gets."""

from pathlib import Path

import pytest

from actors.broker.adapters.ccxt.adapter import CcxtExchange
from actors.broker.adapters.ccxt.shadow import ShadowExchange
from actors.broker.adapters.simulated import MemoryLedger
from supervisors.exchanges import (
    BadExchange,
    ExchangeChoice,
    SimulationChoice,
    build_exchanges,
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
