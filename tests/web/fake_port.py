"""A runtime that fits on a screen: it keeps a book, journals in memory, and fills what it is told to."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from actors.model import events as ev
from actors.model import messages as m
from actors.model import results as r
from actors.model.amending import objection
from actors.model.book import Book, Change, Kill
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order, OrderIntent
from actors.queries import OrderFilter
from actors.router import misnamed

START_US = 1_795_348_800_000_000


@dataclass
class Node:
    address: str = "root"
    state: str = "running"
    generation: int = 1
    restarts: int = 0
    mailbox: int = 0
    last_error: str | None = None
    children: tuple["Node", ...] = ()


@dataclass
class FakePort:
    """`on_place`, if set, decides what place answers instead; `placed` and `killed` list what was asked."""

    on_place: Callable[[OrderIntent], object] | None = None
    book: Book = field(default_factory=Book)
    records: list[Record] = field(default_factory=list)
    on_amend: Callable[[Order], object] | None = None
    amended: list[dict[str, object]] = field(default_factory=list)
    placed: list[OrderIntent] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    killed: list[dict[str, object]] = field(default_factory=list)
    missing: tuple[r.NotReady, ...] = ()
    durable: bool = True
    resumed: list[object] = field(default_factory=list)
    two_people: bool = False
    first: str = ""
    limit: str = "50000"
    on_limit: object = None
    state: str = "active"
    mark: Decimal = Decimal(39000)
    _listeners: list[object] = field(default_factory=list)
    _market: list[object] = field(default_factory=list)
    _count: int = 0

    @property
    def head(self) -> int:
        return len(self.records)

    def commit(self, *events: ev.Event) -> list[Change]:
        """Journal the events as one batch and tell the listeners."""
        batch, changes = [], []
        for event in events:
            payload = ev.encode(event)
            previous = self.records[-1].hash if self.records else bytes(32)
            record = Record(
                seq=self.head + 1,
                stream="test",
                type=ev.type_name(event),
                version=1,
                at_us=START_US + self.head,
                payload=payload,
                correlation_id="c",
                causation_id="",
                previous_hash=previous,
                hash=hashlib.sha256(previous + payload).digest(),
                event=event,
            )
            changes.append(self.book.apply(event, record.seq, record.at_us))
            self.records.append(record)
            batch.append(record)
        for listener in tuple(self._listeners):
            listener(batch, changes)
        return changes

    def accept(self, **asked: object) -> Order:
        """Journal an accepted and acknowledged order."""
        self._count += 1
        order_id = f"00000000-0000-4000-8000-{self._count:012d}"
        values = {"exchange": "sim", "symbol": "BTC/USDT", "side": "buy", "type": "limit"} | asked
        values.setdefault("quantity", Decimal("0.01"))
        if values["type"] == "limit":
            values.setdefault("limit_price", Decimal(39000))
        values["client_order_id"] = values.get("client_order_id") or order_id
        intent = OrderIntent(order_id=order_id, venue_id=f"v{self._count}", **values)
        self.commit(
            ev.OrderAccepted(intent=intent, reserve_price=Decimal(1), mark=Decimal(1), send_before_us=0)
        )
        place = {"exchange": intent.exchange, "symbol": intent.symbol, "order_id": order_id}
        self.commit(ev.OrderAcknowledged(**place, exchange_order_id=f"x{self._count}"))
        return self.book.orders[order_id]

    def fill(self, order: Order, quantity: str, price: str = "39000") -> Order:
        """Journal a fill of an order."""
        intent = order.intent
        fill = Fill(
            exchange=intent.exchange,
            market_type="spot",
            symbol=intent.symbol,
            exchange_order_id="x",
            trade_id=str(self.head),
            order_id=intent.order_id,
            side=intent.side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            fee=Decimal("0.1"),
            fee_currency="USDT",
            at_us=START_US + self.head,
        )
        place = {"exchange": intent.exchange, "symbol": intent.symbol, "order_id": intent.order_id}
        self.commit(ev.OrderFilled(**place, fill=fill))
        return self.book.order(intent.order_id)

    def cancel_now(self, order: Order) -> Order:
        """Journal the cancel of an order."""
        intent = order.intent
        place = {"exchange": intent.exchange, "symbol": intent.symbol, "order_id": intent.order_id}
        self.commit(ev.CancelRequested(**place, by="t"), ev.OrderCanceled(**place, reason="asked"))
        return self.book.order(intent.order_id)

    async def place(self, intent, *, wait_seconds, correlation_id, dry_run=False):
        self.placed.append(intent)
        self.waits.append(wait_seconds)
        if self.on_place is not None:
            return self.on_place(intent)
        if dry_run:
            order_id = "00000000-0000-4000-8000-000000000000"
            named = msgspec.structs.replace(
                intent, order_id=order_id, client_order_id=order_id, exchange="sim"
            )
            return r.Previewed(order=Order(intent=named))
        skipped = {"order_id", "venue_id"}
        asked = {name: getattr(intent, name) for name in intent.__struct_fields__ if name not in skipped}
        asked["exchange"] = asked["exchange"] or "sim"
        return r.Placed(order=self.accept(**asked))

    async def place_all(self, placements, answer):
        for index, each in enumerate(placements):
            result = await self.place(
                each.intent,
                wait_seconds=each.wait_seconds,
                correlation_id=each.correlation_id,
                dry_run=each.dry_run,
            )
            answer(index, result)

    async def amend(self, order_id, *, quantity, limit_price, **about):
        self.amended.append({"order_id": order_id, "quantity": quantity, "limit_price": limit_price, **about})
        order = self.book.order(order_id)
        if order is None:
            return m.NoSuchOrder(order_id=order_id)
        if self.on_amend is not None:
            return self.on_amend(order)
        found = objection(order, quantity or order.intent.quantity)
        if found is not None:
            return r.NotAmended(order=order, code=found[0], detail=found[1])
        intent = order.intent
        place = {"exchange": intent.exchange, "symbol": intent.symbol, "order_id": order_id}
        asked = ev.AmendAsked(
            amend_id="00000000-0000-4000-8000-00000000000a",
            quantity=quantity or intent.quantity,
            limit_price=limit_price or intent.limit_price,
        )
        prices = {"reserve_price": asked.limit_price, "mark": Decimal(1)}
        self.commit(ev.AmendAccepted(**place, asked=asked, venue_id="", send_before_us=0, **prices))
        self.commit(ev.OrderAmended(**place, amend_id=asked.amend_id))
        return r.Amended(order=self.book.order(order_id))

    async def cancel(self, order_id, *, by, correlation_id, wait_seconds):
        order = self.book.order(order_id)
        if order is None:
            return m.NoSuchOrder(order_id=order_id)
        if not order.is_open:
            return m.AlreadyClosed(order=order)
        return r.Cancelled(order=self.cancel_now(order))

    async def cancel_all(self, *, exchange, symbol, side, by, correlation_id):
        wanted = (exchange, symbol, side)
        found = [
            order
            for order in self.book.orders.values()
            for have in [(order.intent.exchange, order.intent.symbol, order.intent.side)]
            if all(want in (None, has) for want, has in zip(wanted, have, strict=True))
        ]
        for order in found:
            self.cancel_now(order)
        return tuple(order.order_id for order in found)

    async def kill(self, **asked):
        if (refused := misnamed(asked["exchange"], asked["symbol"], ("sim",), self.book)) is not None:
            return refused
        self.killed.append(asked)
        self.state = "halted"
        return r.KillResult(kill_id="k-1", trading_state="halted", durable=self.durable)

    async def resume(self, *, reason, by, correlation_id, kill_ids=(), exchange=None, symbol=None):
        if self.state == "active":
            return m.Refused(code="NOT_HALTED", detail="no kill is in force")
        self.resumed.append((tuple(kill_ids), exchange, symbol))
        if self.two_people and by != self.first:
            self.first, self.two_people = by, False
            return m.Proposed(what="k-1", by=by, reason=reason, until_us=START_US)
        self.state = "active"
        return m.Resumed(kill_ids=("k-1",))

    async def judge_absent(self, order_id, *, by, reason, correlation_id, wait_seconds):
        order = self.book.order(order_id)
        if order is None:
            return m.NoSuchOrder(order_id=order_id)
        if not order.is_open:
            return m.AlreadyClosed(order=order)
        if order.status != "unknown":
            return m.Refused(code="NOT_UNKNOWN", detail="the order's fate is known")
        place = {"exchange": "sim", "symbol": order.intent.symbol, "order_id": order_id}
        self.commit(ev.OrderAbsent(**place, proof=f"verdict of {by}: {reason}"))
        return r.Judged(order=self.book.order(order_id))

    async def adjust_balance(self, *, exchange, asset, amount, reference, reason, by, correlation_id):
        if (exchange, reference) in self.book.statement:
            return m.Refused(code="REFERENCE_USED", detail="was made before")
        line = {"exchange": exchange, "asset": asset, "amount": amount, "evidence": reference}
        self.commit(ev.BalanceAdjusted(**line, cause=f"recorded by {by}: {reason}", happened_us=1))
        return m.BalanceBooked(total=self.book.cash[exchange, asset])

    async def halt(self):
        kills = [
            Kill(
                kill_id="k-1",
                level="cancel",
                exchange=None,
                symbol=None,
                reason="x",
                by="ann",
                at_us=START_US,
            )
        ]
        swept = m.SweepProgress(sweep_id="k-1", exchange="sim", cancelled=3, remaining=1, done=False)
        held = m.InForce(exchange=None, symbol="BTC/USDT", state="reducing", cause="MAX_POSITION")
        closing = m.Closing(exchange="sim", symbol="BTC/USDT", detail="STALE_PRICE: no price")
        halted = self.state == "halted"
        return m.HaltView(
            trading_state=self.state,
            kills=tuple(kills) if halted else (),
            restrictions=(held,) if halted else (),
            sweeps=(swept,) if halted else (),
            closing=(closing,) if halted else (),
        )

    async def limits(self):
        limit = m.LimitState(
            name="max_pos_usd", value=self.limit, settings="50000", allowed="an amount or off"
        )
        return m.LimitsView(limits=(limit,))

    async def change_limit(self, *, name, value, reason, by, correlation_id):
        if self.on_limit is not None:
            return self.on_limit
        old, self.limit = self.limit, value
        self.commit(ev.LimitChanged(name=name, old=old, new=value, by=by, reason=reason))
        return m.LimitSet(name=name, old=old, new=value, by=by)

    async def limit_changes(self, *, name, limit, before):
        found = [
            record
            for record in reversed(self.records)
            if isinstance(record.event, ev.LimitChanged) and name in (None, record.event.name)
            if before is None or record.seq < before
        ]
        return found[:limit]

    async def order(self, order_id):
        return self.book.order(order_id)

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        every = [*self.book.orders.values(), *self.book.closed.values()]
        every.sort(key=lambda order: (order.created_us, order.order_id), reverse=True)
        return [
            order
            for order in every
            if wanted.before is None or (order.created_us, order.order_id) < wanted.before
            if not wanted.statuses or order.status in wanted.statuses
            if wanted.symbol in (None, order.intent.symbol)
        ][: wanted.limit]

    async def fills(self, *, exchange, symbol, order_id, limit, before):
        found = [each.event.fill for each in self.records if isinstance(each.event, ev.OrderFilled)]
        found.sort(key=lambda fill: (fill.at_us, fill.fill_id), reverse=True)
        return [fill for fill in found if before is None or (fill.at_us, fill.fill_id) < before][:limit]

    async def events(self, *, after, limit, order_id=None):
        return [each for each in self.records[after:] if order_id in (None, ev.order_id_of(each.event))][
            :limit
        ]

    async def positions(self):
        return [r.PositionView(position=each, mark=self.mark) for each in self.book.positions.values()]

    async def balances(self):
        return [m.Balance(exchange="sim", asset="USDT", total=Decimal(1000000), free=Decimal(999610))]

    async def risk(self, *, reservations=False):
        limit = m.LimitUse(
            code="MAX_POSITION",
            symbol="BTC/USDT",
            limit=Decimal(50000),
            used=Decimal(390),
            headroom=Decimal(49610),
        )
        return m.RiskView(
            trading_state=self.state,
            limits=(limit,),
            equity=Decimal(1000000),
            day="2026-11-22",
            day_pnl=Decimal(0),
            reservations=tuple(
                m.Reservation(
                    order_id=order.order_id,
                    exchange=order.intent.exchange,
                    symbol=order.intent.symbol,
                    side=order.intent.side,
                    quantity=order.remaining,
                    value_usd=Decimal(390),
                )
                for order in self.book.orders.values()
                if reservations
            ),
        )

    async def marks(self):
        return [self.tick()]

    def tick(self, price: str | None = None, symbol: str = "BTC/USDT"):
        """A price; listeners are told when one is given."""
        if price is not None:
            self.mark = Decimal(price)
        mark = m.Mark(
            exchange="sim",
            symbol=symbol,
            bid=self.mark,
            ask=self.mark + 1,
            last=self.mark,
            mark=self.mark,
            at_us=START_US,
        )
        if price is not None:
            for listener in tuple(self._market):
                listener(mark)
        return mark

    def tree(self):
        return Node(children=(Node(address="risk", restarts=2, last_error="boom"),))

    def readiness(self):
        return self.missing

    def subscribe(self, listener):
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe_market(self, listener):
        self._market.append(listener)
        return lambda: self._market.remove(listener)
