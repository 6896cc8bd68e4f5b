"""A position: what is held, what it cost, what was earned by closing.

Quantity and cost are kept, not a rounded average. Cost is signed like the quantity: what was paid for a
long, minus what was received for a short. A partial close takes its share of the cost (rounded half-even to
12 places) with it; the rest stays, so no digit is lost. A fill through zero closes the whole and opens the
rest at the fill's price.
"""

from decimal import Decimal

import msgspec

from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO, display_ratio, share_of_cost


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`quantity` is signed, in base units; `cost` and `realized_pnl` in quote units, without fees.

    `fees` is what was paid by asset, sorted by its name.
    """

    exchange: str
    symbol: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: tuple[tuple[str, Decimal], ...] = ()
    updated_us: int = 0

    @property
    def average_price(self) -> Decimal | None:
        """Cost per unit, rounded for display; None when flat."""
        return display_ratio(self.cost, self.quantity) if self.quantity else None

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """What closing at `mark` would realise, before fees, in quote units."""
        return EXACT.subtract(EXACT.multiply(self.quantity, mark), self.cost)

    def apply(self, fill: Fill, at_us: int) -> "Position":
        """The position after a fill."""
        signed = fill.quantity if fill.side == "buy" else EXACT.minus(fill.quantity)
        traded = self.trade(signed, fill.price)
        return msgspec.structs.replace(
            traded, fees=_add_fee(self.fees, fill.fee_currency, fill.fee), updated_us=at_us
        )

    def trade(self, signed: Decimal, price: Decimal) -> "Position":
        """The position after buying (positive) or selling (negative) `signed` units, fees aside."""
        if not self.quantity or (self.quantity > 0) == (signed > 0):
            return msgspec.structs.replace(
                self,
                quantity=EXACT.add(self.quantity, signed),
                cost=EXACT.add(self.cost, EXACT.multiply(signed, price)),
            )
        held = self.quantity.copy_abs()
        closing = min(signed.copy_abs(), held)
        closed = closing if self.quantity > 0 else EXACT.minus(closing)
        cost_share = share_of_cost(self.cost, closing, held)
        realized = EXACT.subtract(EXACT.multiply(closed, price), cost_share)
        opened = EXACT.add(signed, closed)
        return msgspec.structs.replace(
            self,
            quantity=EXACT.add(self.quantity, signed),
            cost=EXACT.add(EXACT.subtract(self.cost, cost_share), EXACT.multiply(opened, price)),
            realized_pnl=EXACT.add(self.realized_pnl, realized),
        )


def _add_fee(
    fees: tuple[tuple[str, Decimal], ...], asset: str, fee: Decimal
) -> tuple[tuple[str, Decimal], ...]:
    if not fee:
        return fees
    totals = dict(fees)
    totals[asset] = EXACT.add(totals.get(asset, ZERO), fee)
    return tuple(sorted(totals.items()))
