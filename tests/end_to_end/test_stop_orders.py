"""Stop orders of the running service: they rest, outlive a crash, trigger, and fill into the journal."""

import time
from decimal import Decimal

WAIT_SECONDS = 60.0


def bracket(service) -> dict[str, str]:
    """A stop order on either side of the market, so that wherever it goes one triggers; ids by side."""
    placed: dict[str, str] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    while len(placed) < 2 and time.monotonic() < deadline:
        [market] = [each for each in service.get("/positions")["positions"] if each["symbol"] == "BTC/USDT"]
        for side, away in (("buy", Decimal(30)), ("sell", Decimal(-30))):
            if side not in placed:
                stop = str(Decimal(market["markPrice"]).quantize(Decimal("0.01")) + away)
                answer = service.order(side=side, type="stop", stopPrice=stop)
                if answer.status_code == 201:
                    placed[side] = answer.json()["orderId"]
                else:
                    # The market moved as far in between.
                    assert answer.json()["code"] == "STOP_WOULD_TRIGGER", answer.text
    return placed


def test_a_stop_order_outlives_a_crash_triggers_and_moves_the_position(services):
    service = services(SIM__SPEED="5")
    assert service.order(qty="0.05").json()["status"] == "filled"
    placed = bracket(service)
    service.kill()
    service.start()
    deadline = time.monotonic() + WAIT_SECONDS
    filled = None
    while filled is None:
        orders = {side: service.get(f"/orders/{order_id}") for side, order_id in placed.items()}
        assert {each["status"] for each in orders.values()} <= {"open", "filled"}
        filled = next((each for each in orders.values() if each["status"] == "filled"), None)
        assert time.monotonic() < deadline, orders
        time.sleep(0.1)  # a real process has no mock clock
    assert (filled["type"], filled["filledQty"]) == ("stop", "0.01")
    fills = service.get("/fills", orderId=filled["orderId"])["fills"]
    assert sum(Decimal(each["qty"]) for each in fills) == Decimal("0.01")
    moved = sum(
        (Decimal(each["filledQty"]) if each["side"] == "buy" else -Decimal(each["filledQty"]))
        for each in (service.get(f"/orders/{order_id}") for order_id in placed.values())
    )
    [position] = service.get("/positions")["positions"]
    assert Decimal(position["qty"]) == Decimal("0.05") + moved
