"""Fifty clients and a fickle exchange, played by one seeded driver, one step after the other."""

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

import trio

from actors.kernel import KernelError
from actors.model import events as ev
from actors.model import messages as m
from actors.model.addresses import position_address
from actors.model.fill import Fill
from actors.model.journal import Append, Fence, Record
from actors.model.order import Order, OrderIntent, Submission, Terminal
from actors.risk.ledger import Ledger
from actors.risk.limits import RiskLimits
from actors.risk.state import RiskState
from ops.proof.risk_checker import Unfounded
from ops.proof.risk_world import EXCHANGES, PRICES, REFUSED, RiskWorld

CLIENTS = 50
TYPES = {
    (False, False): "market",
    (True, False): "limit",
    (False, True): "stop",
    (True, True): "stop_limit",
}
"""By whether an order has a limit price, and whether it has a stop price."""
OPEN_WANTED = 60
LIMITS = RiskLimits(
    symbol_whitelist=("BTC/USDT", "ETH/USDT"),
    max_pos_usd=Decimal(50_000),
    max_daily_loss_usd=Decimal(5_000),
    max_long_usd=Decimal(48_000),
    max_exchange_usd=Decimal(60_000),
    max_gross_usd=Decimal(90_000),
    max_net_usd=Decimal(80_000),
    max_order_usd=Decimal(45_000),
    max_order_quantity=Decimal(20),
    max_open_orders=100,
    max_drawdown_usd=Decimal(40_000),
)

CHANGES = {
    "max_pos_usd": ("40000", "50000", "60000"),
    "max_long_usd": ("off", "48000", "30000"),
    "max_exchange_usd": ("off", "60000", "45000"),
    "max_gross_usd": ("off", "90000", "70000"),
    "max_open_orders": ("100", "70"),
    "price_collar": ("0.1", "0.05"),
}


class Driver:
    """Plays clients and exchange, one step after the other."""

    def __init__(self, world: RiskWorld, seed: str) -> None:
        self.world = world
        self.rng = Random(f"{seed}/driver")
        self.attempts = self.trades = self.restarts = self.refused = 0
        self._open: list[str] = []
        self._ended: list[str] = []
        self._under_way: dict[str, None] = {}
        self._generations: dict[str, int] = {}
        world.cancel_at = self.cancel_at
        world.log.subscribe(self._follow)

    # What the journal says.

    def _follow(self, records: Sequence[Record]) -> None:
        for record in records:
            order_id = ev.order_id_of(record.event)
            if order_id is None:
                continue
            self._under_way.pop(order_id, None)
            if isinstance(record.event, ev.OrderAccepted):
                self._open.append(order_id)

    def _pick(self) -> Order | None:
        """Some open order that nothing is under way for."""
        while self._open:
            index = self.rng.randrange(len(self._open))
            order_id = self._open[index]
            order = self.world.log.book.orders.get(order_id)
            if order is not None:
                return None if order_id in self._under_way else order
            self._open[index] = self._open[-1]
            self._open.pop()
            self._ended.append(order_id)
            del self._ended[:-200]
        return None

    # What clients do.

    async def place(self) -> None:
        """One attempt."""
        self.attempts += 1
        intent = self._intent()
        try:
            reply = await self.world.system.ref("risk").ask(
                m.PlaceOrder(intent=intent, correlation_id=intent.order_id), timeout=5
            )
        except KernelError:
            self.refused += 1
            return
        if isinstance(reply, m.Admitted) and not self.world.gate.may_send(intent, intent.reduce_only):
            self.world.gate.begin_send(intent.order_id)
            self.world.gate.end_send(intent.order_id)
        if isinstance(reply, m.Refused):
            self.refused += 1
            await trio.sleep(0.1)

    def _intent(self) -> OrderIntent:
        rng = self.rng
        exchange, symbol = rng.choice(EXCHANGES), rng.choices(tuple(PRICES), (10, 10, 1))[0]
        mark = self.world.marks[exchange, symbol]
        held = self.world.log.book.position(exchange, symbol).quantity
        reduce_only = rng.random() < 0.15
        buy = (held < 0) if reduce_only and held and rng.random() < 0.9 else rng.random() < 0.5
        kind = rng.random()
        if held and (reduce_only or kind < 0.1):
            quantity = abs(held) * rng.choice((1, 1, Decimal("0.5"), Decimal("1.000001")))
        elif kind < 0.35:
            quantity = self._what_is_left(exchange, symbol, mark, buy)
        else:
            quantity = Decimal(rng.choice((10, 400, 2_000, 8_000, 16_000, 25_000, 50_000))) / mark
        quantity = quantity.quantize(Decimal("0.1") if mark < 1 else Decimal("0.000001"))
        price = None
        if rng.random() < 0.6:
            away = Decimal(rng.randrange(-1050, 1051)).scaleb(-4) * rng.choice(
                (1, Decimal("0.1"), Decimal("0.1"))
            )
            price = (mark * (1 + away)).quantize(Decimal("0.0001") if mark < 1 else Decimal("0.01"))
        stop_price = None
        if rng.random() < 0.12:
            stop_price = self._stop_price(mark, buy)
            price = price and (price / mark * stop_price).quantize(stop_price)
        order_id = self.world.ids.order_id()
        name = REFUSED if rng.random() < 0.001 else ""
        return OrderIntent(
            order_id=order_id,
            client_order_id=f"{name}{order_id}",
            exchange=exchange,
            symbol=symbol,
            side="buy" if buy else "sell",
            type=TYPES[price is not None, stop_price is not None],
            quantity=quantity,
            limit_price=price,
            stop_price=stop_price,
            reduce_only=reduce_only,
            user=f"client-{rng.randrange(CLIENTS)}",
        )

    def _stop_price(self, mark: Decimal, buy: bool) -> Decimal:
        """A price beyond the mark that triggers, seldom one on this side of it."""
        away = Decimal(self.rng.randrange(-50, 1500)).scaleb(-4)
        return (mark * (1 + away if buy else 1 - away)).quantize(
            Decimal("0.0001") if mark < 1 else Decimal("0.01")
        )

    def _what_is_left(self, exchange: str, symbol: str, mark: Decimal, buy: bool) -> Decimal:
        """About as much as the position limit leaves, a lot more or less."""
        state = self.world.risk._state
        most = state.limits.max_long_usd if buy else state.limits.max_short_usd
        limit = min(most or Decimal(10**9), state.limits.max_pos_usd or Decimal(10**9))
        worst = Decimal(0)
        for account in state.ledger.of_symbol(symbol):
            side = account.long_worst if buy else -account.short_worst
            worst += side if account.exchange == exchange else max(side, Decimal(0))
        lot = state.valuation.instruments[exchange, symbol].lot
        left = (limit / mark - worst).quantize(lot, rounding=decimal.ROUND_DOWN)
        return max(lot, left + self.rng.choice((0, 0, 1)) * lot)

    # What the exchange does.

    def trade(self) -> None:
        """Something happens to an order."""
        if self.rng.random() < 0.02 and self._ended:
            self._late_fill(self.rng.choice(self._ended))
            return
        order = self._pick()
        if order is not None:
            self._live(order, crowded=len(self._open) > OPEN_WANTED)

    def _live(self, order: Order, *, crowded: bool) -> None:
        choices: list[Callable[[Order], None]] = []
        if order.submission in (Submission.ACCEPTED, Submission.SENT, Submission.UNKNOWN):
            choices += [self._acknowledge, self._acknowledge, self._fill]
            if not order.executed:
                choices.append(self._reject)
            if order.submission is Submission.UNKNOWN:
                choices.append(self._absent)
            else:
                choices.append(self._lose)
            if order.submission is Submission.ACCEPTED:
                choices.append(self._withdraw)
        else:
            choices += [self._fill, self._fill, self._part, self._cancel]
            if not order.cancel_requested:
                choices.append(self._ask_cancel)
            if crowded:
                choices += [self._cancel] * 4
        self.rng.choice(choices)(order)

    def _write(self, order: Order, event: ev.AnyEvent) -> None:
        intent = order.intent
        stream = position_address(intent.exchange, intent.symbol)
        self._under_way[intent.order_id] = None
        self.trades += 1
        self.world.system.ref("journal").tell(
            Append(
                append_id=intent.order_id,
                stream=stream,
                generation=self._generations[stream],
                events=(event,),
                correlation_id="",
                reply_to=stream,
            )
        )

    def _place(self, order: Order) -> dict[str, str]:
        return {"exchange": order.intent.exchange, "symbol": order.intent.symbol, "order_id": order.order_id}

    def _acknowledge(self, order: Order) -> None:
        event = ev.OrderAcknowledged(**self._place(order), exchange_order_id=f"x-{order.order_id}")
        self._write(order, event)

    def _reject(self, order: Order) -> None:
        self._write(
            order, ev.OrderRejected(**self._place(order), code="NO", reason="the exchange refused it")
        )

    def _lose(self, order: Order) -> None:
        self._write(order, ev.OrderUnresolved(**self._place(order), reason="no answer"))

    def _absent(self, order: Order) -> None:
        self._write(order, ev.OrderAbsent(**self._place(order), proof="the window has passed"))

    def _withdraw(self, order: Order) -> None:
        self._write(order, ev.OrderNotSent(**self._place(order), reason="too old"))

    def _ask_cancel(self, order: Order) -> None:
        self._write(order, ev.CancelRequested(**self._place(order), by="client"))

    def _cancel(self, order: Order) -> None:
        self._write(order, ev.OrderCanceled(**self._place(order), reason="asked for"))

    def _part(self, order: Order) -> None:
        lot = self.world.risk._state.valuation.instruments[order.intent.exchange, order.intent.symbol].lot
        part = (order.remaining * Decimal(self.rng.randrange(1, 10)) / 10).quantize(lot)
        self._execute(order, min(max(part, lot), order.remaining))

    def _fill(self, order: Order) -> None:
        self._execute(order, order.remaining)

    def _execute(self, order: Order, quantity: Decimal) -> None:
        intent = order.intent
        mark = self.world.marks[intent.exchange, intent.symbol]
        price = mark if intent.limit_price is None else intent.limit_price
        in_kind = self.rng.random() < 0.2
        fee = (quantity * Decimal("0.0001")).quantize(Decimal("1e-9"))
        fill = Fill(
            exchange=intent.exchange,
            market_type="spot",
            symbol=intent.symbol,
            exchange_order_id=f"x-{order.order_id}",
            trade_id=f"t-{self.trades}",
            order_id=order.order_id,
            side=intent.side,
            quantity=quantity,
            price=price,
            fee=fee if in_kind else (fee * price).quantize(Decimal("1e-9")),
            fee_currency=intent.symbol.partition("/")[0] if in_kind else "USDT",
            at_us=self.world.clock.now_us(),
        )
        # An order that is over may have left memory by the time the journal reads this; so it comes along.
        trades = self.world.log.book.trades.get(order.order_id, {})
        filled = ev.OrderFilled(
            exchange=intent.exchange,
            symbol=intent.symbol,
            order_id=order.order_id,
            fill=fill,
            recalled=None if order.is_open else order,
            recalled_trades=None if order.is_open else tuple(trades),
        )
        self._write(order, filled)

    def _late_fill(self, order_id: str) -> None:
        order = self.world.log.book.closed.get(order_id)
        over = (Terminal.CANCELED, Terminal.EXPIRED, Terminal.REFUSED, Terminal.ABSENT, Terminal.NOT_SENT)
        if order is None or order_id in self._under_way or order.terminal not in over:
            return
        left = order.intent.quantity - order.executed
        self._execute(order, left)

    def cancel_at(self, exchange: str, symbol: str) -> None:
        """Cancel what works at a place, as a position actor does when it is told to."""
        for order in tuple(self.world.log.book.orders.values()):
            there = (order.intent.exchange, order.intent.symbol) == (exchange, symbol)
            if there and order.submission is Submission.WORKING and order.order_id not in self._under_way:
                self._cancel(order)

    # What else happens.

    def move_price(self) -> None:
        """One price moves a little, seldom much."""
        place = self.rng.choice(tuple(self.world.marks))
        step = Decimal(self.rng.randrange(-20, 21)).scaleb(-4) * (15 if self.rng.random() < 0.02 else 1)
        price = self.world.marks[place] * (1 + step)
        middle = PRICES[place[1]]
        price = min(max(price, middle * Decimal("0.7")), middle * Decimal("1.4"))
        self.world.marks[place] = price.quantize(Decimal("0.0001") if price < 1 else Decimal("0.01"))
        self.world.tell_price(*place)

    async def change_limit(self) -> None:
        """Somebody sets a limit."""
        name = self.rng.choice(tuple(CHANGES))
        change = m.ChangeLimit(name=name, value=self.rng.choice(CHANGES[name]), by="operator", reason="proof")
        await self._ask("risk", change)

    async def kill(self) -> None:
        """Somebody pulls the kill switch."""
        await self.world.switch(
            level=self.rng.choice(("halt", "cancel", "flatten")),
            exchange=self.rng.choice((None, *EXCHANGES)),
            symbol=self.rng.choice((None, "BTC/USDT")),
            reason="proof",
            by="operator",
            correlation_id="",
        )

    async def resume(self) -> None:
        """Somebody resumes."""
        if self.world.gate.kills or self.world.gate.restrictions:
            await self._ask("operator", m.Resume(reason="proof", by="operator", correlation_id=""))

    async def _ask(self, address: str, message: m.Message) -> None:
        try:
            await self.world.system.ref(address).ask(message, timeout=5)
        except KernelError:
            self.refused += 1

    async def restart(self) -> None:
        """RiskActor ends, and its next life rebuilds itself from the journal."""
        self.restarts += 1
        await self.world.system.ref("risk").stop()
        await self.world.start_risk()

    async def next_day(self) -> None:
        """The wall clock moves on by some hours."""
        self.world.clock.ahead_us += self.rng.randrange(6, 30) * 3_600_000_000
        for place in self.world.marks:
            self.world.tell_price(*place)

    # The whole.

    async def begin(self) -> None:
        """Become the writer of every position stream."""
        for exchange in EXCHANGES:
            for symbol in PRICES:
                stream = position_address(exchange, symbol)
                fenced = await self.world.system.ref("journal").ask(Fence(stream), timeout=5)
                self._generations[stream] = fenced.generation

    async def step(self) -> None:
        """One thing happens; most often an attempt."""
        roll = self.rng.random()
        if roll < 0.55:
            await self.place()
        elif roll < 0.90:
            self.trade()
        elif roll < 0.98:
            self.move_price()
        elif roll < 0.995:
            await trio.sleep(0.01)
        else:
            await self.rng.choices(
                (self.change_limit, self.resume, self.kill, self.restart, self.next_day), (20, 50, 2, 20, 20)
            )[0]()
        if self.rng.random() < 0.3:
            await trio.sleep(0.001)

    async def close_everything(self) -> None:
        """Let every order end and every commit land."""
        self.world.store.trouble = 0.0
        for _ in range(100):
            await trio.sleep(1)
            for order in tuple(self.world.log.book.orders.values()):
                if order.order_id not in self._under_way:
                    self._end(order)
            await trio.sleep(1)
            if not self.world.log.book.orders:
                return
        raise Unfounded(f"{len(self.world.log.book.orders)} orders do not end")

    def _end(self, order: Order) -> None:
        """The next step of an order towards its end. One at the market executes, for what flattens a position
        is placed again until it is flat.
        """
        if order.submission is not Submission.WORKING:
            self._acknowledge(order)
        elif order.intent.type == "market":
            self._fill(order)
        else:
            self._cancel(order)

    def check_nothing_reserved(self) -> None:
        """Raise unless the ledger is empty and equal to one that is built anew."""
        state, fresh = self.world.risk._state, RiskState.rebuild(self.world.log.book, LIMITS)
        if state.ledger.holds or state.pending:
            raise Unfounded(f"{len(state.ledger.holds)} reservations are left")
        compare(state.ledger, fresh.ledger)


def compare(kept: Ledger, fresh: Ledger) -> None:
    """Raise unless both ledgers say the same of every place."""
    for place, account in kept.accounts.items():
        other = fresh.account(*place)
        for name in (
            "buys",
            "sells",
            "buy_value",
            "sell_value",
            "reduce_buys",
            "reduce_sells",
            "open_orders",
        ):
            if getattr(account, name) != getattr(other, name):
                raise Unfounded(
                    f"{name} at {place}: {getattr(account, name)} is kept, it is {getattr(other, name)}"
                )
        if account.position != other.position:
            raise Unfounded(f"the position at {place} differs")
