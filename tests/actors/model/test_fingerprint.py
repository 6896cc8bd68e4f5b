"""Which requests are the same one."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.fingerprint import fingerprint, is_same_request
from actors.model.order import OrderIntent

replace = msgspec.structs.replace


def request(exchange: str = "", went_to: str = "sim", batch: str = "", **changes: object) -> OrderIntent:
    """A request that names this exchange, after its way was found."""
    fields = {"client_order_id": "mine", "quantity": Decimal("0.1"), **changes}
    said = OrderIntent(order_id="", exchange=exchange, symbol="BTC/USDT", side="buy", type="market", **fields)
    digest = fingerprint(said) + (f"/{batch}" if batch else "")
    named = said.client_order_id or "o1"
    return replace(said, order_id="o1", exchange=went_to, client_order_id=named, fingerprint=digest)


@pytest.mark.parametrize("by_key", [True, False])
@pytest.mark.parametrize("own_id", ["mine", ""])
@pytest.mark.parametrize(("first", "again"), [("", "sim"), ("sim", ""), ("", ""), ("sim", "sim")])
def test_whether_the_exchange_is_named_makes_no_other_request_of_it(first, again, own_id, by_key):
    """It goes to the same place."""
    found, asked = request(first, client_order_id=own_id), request(again, client_order_id=own_id)
    assert is_same_request(found, asked, by_key=by_key)


def test_a_request_that_is_written_the_same_stays_the_same_though_another_exchange_is_the_first_now():
    """What was answered once is answered so again, whatever was configured since."""
    assert is_same_request(request(went_to="sim"), request(went_to="other"), by_key=True)


@pytest.mark.parametrize(
    "other",
    [
        request("other", "other"),
        request("sim", quantity=Decimal("0.2")),
        request("sim", reduce_only=True),
        request("sim", client_order_id="another"),
        request("sim", client_order_id=""),
    ],
)
def test_what_asks_for_something_else_is_another_request(other):
    assert not is_same_request(request(), other, by_key=True)
    assert not is_same_request(other, request(), by_key=True)


def test_an_order_that_would_go_elsewhere_now_is_another_one():
    assert not is_same_request(request("sim", "sim"), request("", "other"), by_key=True)


def test_a_batch_is_another_one_when_it_is_written_differently_and_its_orders_are_not():
    found, asked = request(batch="w"), request("sim", batch="v")
    assert is_same_request(found, asked, by_key=False)
    assert not is_same_request(found, asked, by_key=True)
