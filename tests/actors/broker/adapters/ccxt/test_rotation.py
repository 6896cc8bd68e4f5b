"""Another key pair of the same account, while the adapter runs."""

from decimal import Decimal

from tests.actors.broker.adapters.ccxt.conftest import open_place

NEW_KEY, NEW_SECRET = "test-api-key-0002", "test-secret-0002"


async def test_requests_after_a_rotation_are_signed_with_the_new_pair(where):
    """Orders at the account of the new key appear there, without a new connection."""
    async with open_place(where) as place:
        other = place.venue.open_account(place.name, NEW_KEY, NEW_SECRET, {"USDT": Decimal(77)})
        before = await place.adapter.balances()
        place.adapter.use_credentials(NEW_KEY, NEW_SECRET)
        after = await place.adapter.balances()
        assert {each.asset: each.total for each in after}.get("USDT") == Decimal(77)
        assert before != after
        assert other is not place.account
