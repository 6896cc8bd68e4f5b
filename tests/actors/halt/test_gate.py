"""The gate: closed at once, for exactly its scope, until everything that closed it is lifted."""

from decimal import Decimal

import pytest

from actors.halt.gate import STARTING, WITHDRAWN_KEPT, Gate
from actors.model.book import Kill
from actors.model.order import OrderIntent


def kill(number: int = 1, exchange: str | None = None, symbol: str | None = None, **changes: object) -> Kill:
    """A kill of everything unless a scope is given."""
    fields = {"level": "cancel", "reason": "a test", "by": "ann", "at_us": number, "automatic": False}
    return Kill(kill_id=f"k{number}", exchange=exchange, symbol=symbol, **{**fields, **changes})


def intent(exchange: str = "sim", symbol: str = "BTC/USDT", order_id: str = "o1") -> OrderIntent:
    """An order."""
    return OrderIntent(
        order_id=order_id,
        client_order_id=order_id,
        exchange=exchange,
        symbol=symbol,
        side="buy",
        type="market",
        quantity=Decimal(1),
    )


def test_a_gate_starts_sealed_and_lets_nothing_pass_until_the_start_is_finished():
    gate = Gate()
    assert gate.sealed == STARTING
    assert gate.state_for(None, None) == "halted"
    assert gate.may_send(intent(), reduces=True) is not None
    gate.finish_start()
    assert gate.state_for(None, None) == "active"
    assert gate.may_send(intent(), reduces=False) is None


def test_the_end_of_the_start_does_not_end_another_seal():
    gate = Gate()
    gate.seal("deposed")
    gate.finish_start()
    assert gate.sealed == "deposed"
    assert gate.may_send(intent(), reduces=True) == "nothing may leave: deposed"


def test_a_kill_halts_what_opens_and_lets_reduce_only_exits_pass():
    gate = Gate(seal=None)
    gate.engage(kill())
    assert gate.may_send(intent(), reduces=False) == "trading is halted"
    assert gate.may_send(intent(), reduces=True) is None
    gate.lift(["k1"])
    assert gate.may_send(intent(), reduces=False) is None


SCOPES = {
    (None, None): {("sim", "BTC/USDT"), ("sim", "ETH/USDT"), ("other", "BTC/USDT"), ("other", "ETH/USDT")},
    ("sim", None): {("sim", "BTC/USDT"), ("sim", "ETH/USDT")},
    (None, "BTC/USDT"): {("sim", "BTC/USDT"), ("other", "BTC/USDT")},
    ("sim", "BTC/USDT"): {("sim", "BTC/USDT")},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_kill_holds_for_its_scope_and_nothing_else(scope):
    gate = Gate(seal=None)
    gate.engage(kill(1, *scope))
    halted = {
        (exchange, symbol)
        for exchange in ("sim", "other")
        for symbol in ("BTC/USDT", "ETH/USDT")
        if gate.may_send(intent(exchange, symbol), reduces=False)
    }
    assert halted == SCOPES[scope]
    assert (gate.state_for(None, None) == "halted") is (scope == (None, None))


def test_what_another_kill_holds_closed_stays_closed():
    gate = Gate(seal=None)
    gate.engage(kill(1))
    gate.engage(kill(2, "sim"))
    gate.lift(["k1"])
    assert gate.state_for("sim", "BTC/USDT") == "halted"
    assert gate.state_for("other", "BTC/USDT") == "active"


def test_the_same_kill_again_changes_nothing():
    gate = Gate(seal=None)
    gate.begin_send("o1")
    first = gate.engage(kill())
    gate.end_send("o1")
    assert gate.engage(kill()) is first
    assert first.in_flight == ("o1",)


def test_a_kill_lists_the_submits_that_had_begun():
    gate = Gate(seal=None)
    for order_id in ("o1", "o2", "o3"):
        gate.begin_send(order_id)
    gate.end_send("o2")
    assert gate.engage(kill()).in_flight == ("o1", "o3")
    assert gate.engage(kill(2), in_flight=()).in_flight == ()


def test_an_order_stays_listed_until_every_sending_of_it_has_ended():
    gate = Gate(seal=None)
    gate.begin_send("o1")
    gate.begin_send("o1", "a1")
    gate.end_send("o1", "a1")
    assert gate.engage(kill()).in_flight == ("o1",)
    gate.begin_send("o1", "a2")
    gate.end_send("o1")
    assert gate.engage(kill(2)).in_flight == ("o1",)
    gate.end_send("o1", "a2")
    assert gate.engage(kill(3)).in_flight == ()


def test_only_a_persons_kill_counts_as_one():
    gate = Gate(seal=None)
    gate.engage(kill(1, automatic=True))
    assert not gate.killed_by_person("sim", "BTC/USDT")
    gate.engage(kill(2, "sim"))
    assert gate.killed_by_person("sim", "BTC/USDT")
    assert not gate.killed_by_person("other", "BTC/USDT")


def test_a_place_is_being_closed_under_a_flatten_of_a_person_or_not():
    gate = Gate(seal=None)
    gate.engage(kill(1, level="cancel"))
    assert not gate.closes_position("sim", "BTC/USDT")
    gate.engage(kill(2, "sim", level="flatten", automatic=True))
    assert gate.closes_position("sim", "BTC/USDT")
    assert not gate.closes_position("other", "BTC/USDT")
    gate.lift(("k2",))
    assert not gate.closes_position("sim", "BTC/USDT")


def test_the_strictest_restriction_of_all_scopes_wins():
    gate = Gate(seal=None)
    gate.restrict(None, "BTC/USDT", "reducing", "a breach")
    assert gate.state_for("sim", "BTC/USDT") == "reducing"
    assert gate.state_for("sim", "ETH/USDT") == "active"
    assert gate.state_for(None, None) == "active"
    gate.restrict("sim", None, "halted", "a difference")
    assert gate.state_for("sim", "BTC/USDT") == "halted"
    gate.restrict("sim", None, "active", "")
    assert gate.state_for("sim", "BTC/USDT") == "reducing"
    assert list(gate.restrictions) == ["*/BTC/USDT"]


def test_an_unknown_state_counts_as_halted():
    gate = Gate(seal=None)
    gate.restrict(None, None, "no such state", "a newer version wrote it")
    assert gate.state_for("sim", "BTC/USDT") == "halted"


def test_while_reducing_only_verified_exits_pass():
    gate = Gate(seal=None)
    gate.restrict(None, None, "reducing", "a breach")
    assert gate.may_send(intent(), reduces=False) is not None
    gate.verify_exit("o1")
    assert gate.may_send(intent(), reduces=False) is None
    gate.engage(kill())
    assert gate.may_send(intent(), reduces=False) == "trading is halted"
    gate.lift(["k1"])
    gate.end_send("o1")
    assert gate.may_send(intent(), reduces=False) is not None


def test_a_withdrawn_order_never_leaves():
    gate = Gate(seal=None)
    gate.withdraw("o1")
    assert gate.withdrawn("o1")
    assert gate.may_send(intent(), reduces=True) is not None
    assert gate.may_send(intent(order_id="o2"), reduces=False) is None


def test_the_memory_of_withdrawn_orders_is_bounded():
    gate = Gate(seal=None)
    for number in range(WITHDRAWN_KEPT + 5):
        gate.withdraw(str(number))
    assert not gate.withdrawn("4")
    assert gate.withdrawn("5")
