"""The ledger of one account at the venue: balances with what is locked, and positions for derivatives.

Balances never go negative: what an order may cost is locked before it rests, and a fill is paid from the
lock.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from actors.model.money import EXACT, ZERO
from actors.model.position import Position
from ops.venue.markets import Refused, VenueMarket, VenueOrder, VenueTrade

_FEE_PLACES = Decimal("0.00000001")


def fee_of(amount: Decimal, rate: Decimal) -> Decimal:
    """A fee, cut to eight places as the exchanges do."""
    return (amount * rate).quantize(_FEE_PLACES, rounding=ROUND_DOWN)


@dataclass(frozen=True, kw_only=True)
class StatementLine:
    """Money that came (or left) without a trade. `number` is unique at the venue."""

    number: int
    asset: str
    amount: Decimal
    at_ms: int


class Account:
    """One API key's money. `derivative`: one margin balance and positions instead of assets."""

    def __init__(self, api_key: str, secret: str, balances: dict[str, Decimal], *, derivative: bool) -> None:
        self.api_key = api_key
        self.secret = secret
        self.derivative = derivative
        self.free = dict(balances)
        self.locked: dict[str, Decimal] = {}
        self.positions: dict[str, Position] = {}
        self.leverage = Decimal(20)
        self.margin_mode = "cross"
        self.hedged = False
        self.dcp_enabled = False
        self.dcp_seconds = 10
        self.statement: list[StatementLine] = []

    def lock(self, asset: str, amount: Decimal) -> None:
        """Set aside; raise Refused("insufficient")."""
        if amount > self.free.get(asset, ZERO):
            raise Refused("insufficient", f"{amount} {asset} needed, {self.free.get(asset, ZERO)} free")
        self.free[asset] = EXACT.subtract(self.free.get(asset, ZERO), amount)
        self.locked[asset] = EXACT.add(self.locked.get(asset, ZERO), amount)

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Give back."""
        self.locked[asset] = EXACT.subtract(self.locked.get(asset, ZERO), amount)
        self.free[asset] = EXACT.add(self.free.get(asset, ZERO), amount)

    def credit(self, asset: str, amount: Decimal) -> None:
        """Add to what is free (negative: take)."""
        self.free[asset] = EXACT.add(self.free.get(asset, ZERO), amount)

    def transfer(self, line: StatementLine) -> None:
        """Money comes or leaves; raise Refused("insufficient")."""
        if self.free.get(line.asset, ZERO) + line.amount < 0:
            raise Refused("insufficient", f"{self.free.get(line.asset, ZERO)} {line.asset} free")
        self.credit(line.asset, line.amount)
        self.statement.append(line)

    def position(self, market: VenueMarket) -> Position:
        """The position in a market; flat if there was none."""
        return self.positions.get(market.market_id) or Position(exchange="venue", symbol=market.market_id)

    def settle_spot(self, market: VenueMarket, trade: VenueTrade, paid: Decimal) -> None:
        """Pay for a spot execution out of the order's lock; `paid` is the part of it that is used up."""
        cost = EXACT.multiply(trade.quantity, trade.price)
        buys = trade.order.spec.side == "buy"
        given, received = (market.quote, market.base) if buys else (market.base, market.quote)
        self.locked[given] = EXACT.subtract(self.locked.get(given, ZERO), paid)
        gain, spent = (trade.quantity, cost) if buys else (cost, trade.quantity)
        self.credit(given, EXACT.subtract(paid, spent))
        self.credit(received, gain)
        self.credit(trade.fee_asset, -trade.fee)

    def settle_derivative(
        self, market: VenueMarket, order: VenueOrder, quantity: Decimal, price: Decimal
    ) -> Decimal:
        """Move the position; the realised profit goes to the balance and is returned."""
        before = self.position(market)
        after = before.trade(quantity if order.spec.side == "buy" else -quantity, price)
        self.positions[market.market_id] = after
        realized = EXACT.subtract(after.realized_pnl, before.realized_pnl)
        self.credit(market.quote, realized)
        return realized
