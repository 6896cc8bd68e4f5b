"""A trading desk without actors: the pure core of the risk room over a book that is folded by hand."""

from decimal import Decimal
from uuid import UUID

import msgspec

from actors.model import events as ev
from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import BrokerState, Mark
from actors.model.order import OrderIntent
from actors.risk.decide import Decider, Passed
from actors.risk.limits import RiskLimits
from actors.risk.rules import Breach
from actors.risk.state import RiskState

START_US = 1_792_800_000_000_000
BTC, ETH = "BTC/USDT", "ETH/USDT"
PRICES = {BTC: Decimal(40000), ETH: Decimal(2000)}

D = Decimal


def instrument(symbol: str, exchange: str = "sim", **changes: object) -> Instrument:
    """An instrument of the simulated exchange."""
    base, _, quote = symbol.partition("/")
    fields: dict[str, object] = {
        "exchange": exchange,
        "symbol": symbol,
        "base": base,
        "quote": quote.partition(":")[0],
        "tick": D("0.01"),
        "lot": D("0.000001"),
        "min_notional": D(5),
    }
    return Instrument(**{**fields, **changes})


def mark(symbol: str, price: str | Decimal, exchange: str = "sim", at_us: int = START_US) -> Mark:
    """A price, bid and ask one tick to each side."""
    value = D(price)
    tick = D("0.01")
    return Mark(
        exchange=exchange,
        symbol=symbol,
        bid=value - tick,
        ask=value + tick,
        last=value,
        mark=value,
        at_us=at_us,
    )


class Desk:
    """Places orders, lets them live, and remembers every event that was journaled."""

    def __init__(
        self, *, exchanges: tuple[str, ...] = ("sim",), cash: str = "1000000", **limits: object
    ) -> None:
        self.book = Book()
        self.events: list[ev.AnyEvent] = []
        self.state = RiskState(RiskLimits(**limits))
        self.decider = Decider()
        self.now_us = START_US
        self.trading_state = "active"
        self.killed = False
        self.number = 0
        for exchange in exchanges:
            self.broker(exchange)
            self.record(ev.AccountOpened(exchange=exchange, balances=(("USDT", D(cash)),)))
            for symbol, price in PRICES.items():
                self.price(symbol, price, exchange)
        self.open_day()

    def broker(
        self, exchange: str = "sim", state: str = "trading", circuit: str = "closed", **changes: object
    ) -> None:
        """The exchange reports."""
        fields: dict[str, object] = {
            "instruments": tuple(instrument(symbol, exchange) for symbol in PRICES),
            "detail": "as the test says",
        }
        self.state.set_broker(
            BrokerState(exchange=exchange, state=state, circuit=circuit, **{**fields, **changes})
        )

    def price(self, symbol: str, price: str | Decimal, exchange: str = "sim") -> None:
        """A new mark, as of now."""
        self.state.set_mark(mark(symbol, price, exchange, self.now_us))

    def open_day(self) -> None:
        """The day that it is now begins."""
        day = self.state.next_day(self.now_us)
        assert day is not None
        self.state.open_day(day)
        self.record(
            ev.DayOpened(
                day=day.name,
                equity=day.equity,
                result=day.result,
                fees=tuple(sorted(day.fees.items())),
                net=day.net,
                peak=day.peak,
            )
        )

    def record(self, event: ev.AnyEvent) -> None:
        """Commit an event and let the state follow."""
        self.events.append(event)
        self.book.apply(event, self.book.seq + 1, self.now_us)
        self.state.follow(self.book, event, self.now_us)

    def intent(
        self, side: str, quantity: str | Decimal, price: str | Decimal | None = None, **changes: object
    ) -> OrderIntent:
        """An order: limit with a price, market without."""
        self.number += 1
        fields: dict[str, object] = {
            "order_id": str(UUID(int=self.number, version=4)),
            "client_order_id": f"c-{self.number}",
            "exchange": "sim",
            "symbol": BTC,
            "side": side,
            "type": "market" if price is None else "limit",
            "quantity": D(quantity),
            "limit_price": None if price is None else D(price),
            "venue_id": f"v-{self.number}",
            "user": "ann",
        }
        return OrderIntent(**{**fields, **changes})

    def judge(self, intent: OrderIntent) -> Passed | Breach:
        """What the rules say of it."""
        return self.decider.decide(self.state, intent, self.trading_state, self.killed, self.now_us)

    def code(
        self, side: str, quantity: str | Decimal, price: str | Decimal | None = None, **changes: object
    ) -> str | None:
        """The code with which such an order would be denied; None when it would pass."""
        verdict = self.judge(self.intent(side, quantity, price, **changes))
        return verdict.code if isinstance(verdict, Breach) else None

    def place(
        self, side: str, quantity: str | Decimal, price: str | Decimal | None = None, **changes: object
    ) -> str:
        """Place an order that must pass; return its id. It works until something else is said of it."""
        intent = self.intent(side, quantity, price, **changes)
        verdict = self.judge(intent)
        assert isinstance(verdict, Passed), verdict
        self.state.admit(intent, verdict.price, self.now_us)
        self.record(
            ev.OrderAccepted(
                intent=intent,
                reserve_price=verdict.price,
                mark=verdict.mark,
                send_before_us=self.now_us,
                references=verdict.references,
                seen=self.book.seq,
            )
        )
        return intent.order_id

    def fill(
        self,
        order_id: str,
        quantity: str | Decimal,
        price: str | Decimal,
        fee: str = "0",
        asset: str = "USDT",
        market: str = "spot",
    ) -> None:
        """A part of the order executes."""
        order = self.book.order(order_id)
        assert order is not None
        intent = order.intent
        self.number += 1
        fill = Fill(
            exchange=intent.exchange,
            market_type=market,
            symbol=intent.symbol,
            exchange_order_id=f"x-{order_id}",
            trade_id=f"t-{self.number}",
            order_id=order_id,
            side=intent.side,
            quantity=D(quantity),
            price=D(price),
            fee=D(fee),
            fee_currency=asset,
            at_us=self.now_us,
        )
        self.record(
            ev.OrderFilled(exchange=intent.exchange, symbol=intent.symbol, order_id=order_id, fill=fill)
        )

    def hold(self, side: str, quantity: str | Decimal, price: str | Decimal, **changes: object) -> None:
        """Come to hold this much at this price, fees aside."""
        market = dict(self.state.valuation.marks)
        self.price(changes.get("symbol", BTC), price, changes.get("exchange", "sim"))
        order_id = self.place(side, quantity, **changes)
        self.fill(order_id, quantity, price)
        for before in market.values():
            self.state.set_mark(msgspec.structs.replace(before, at_us=self.now_us))

    def cancelled(self, order_id: str) -> None:
        """The order is off the exchange."""
        intent = self._intent_of(order_id)
        self.record(
            ev.OrderCanceled(
                exchange=intent.exchange, symbol=intent.symbol, order_id=order_id, reason="asked"
            )
        )

    def unresolved(self, order_id: str) -> None:
        """Nobody knows what became of it."""
        intent = self._intent_of(order_id)
        self.record(
            ev.OrderUnresolved(
                exchange=intent.exchange, symbol=intent.symbol, order_id=order_id, reason="timeout"
            )
        )

    def absent(self, order_id: str) -> None:
        """It is proven that the exchange never had it."""
        intent = self._intent_of(order_id)
        self.record(
            ev.OrderAbsent(exchange=intent.exchange, symbol=intent.symbol, order_id=order_id, proof="gone")
        )

    def _intent_of(self, order_id: str) -> OrderIntent:
        order = self.book.order(order_id)
        assert order is not None
        return order.intent

    def limits(self, **changes: object) -> None:
        """Set limits."""
        self.state.set_limits(msgspec.structs.replace(self.state.limits, **changes))
