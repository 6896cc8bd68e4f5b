"""Clients and the operator, and what they write down: the notes that the checkers believe.

A note says what was asked, when, of which incarnation, and what came back. A caller whose process dies gets
no answer; the note then stays without one, which is how it is with a real connection that breaks.
"""

from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.broker.adapters.instruments import LOT, TICK
from actors.model import results as r
from actors.model.order import Order, OrderIntent

if TYPE_CHECKING:
    from ops.proof.world import World

WAIT_SECONDS = 2.0
KINDS = ("limit", "market", "stop", "stop_limit")


class Call(msgspec.Struct, kw_only=True):
    """One request. `answer` is the class name of what came back, empty while nothing has.

    `request` is shared by the tries of the same request; `head` the journal's sequence that the answering
    process showed with its answer.
    """

    client: int
    what: str
    request: str
    life: int
    began: float
    over: float | None = None
    answer: str = ""
    code: str = ""
    order_id: str = ""
    order: Order | None = None
    head: int = 0


class KillNote(msgspec.Struct, kw_only=True):
    """A kill as the operator knows it. `sending`: orders whose submit was under way when it was pulled."""

    life: int
    level: str
    exchange: str | None
    symbol: str | None
    began: float
    sending: tuple[str, ...]
    acknowledged: float | None = None
    kill_id: str = ""
    durable: bool = False
    in_flight: tuple[str, ...] = ()
    ready: bool = True
    """Whether the runtime was ready for orders when it was pulled."""


class ResumeNote(msgspec.Struct, kw_only=True):
    """A resume as the operator knows it: nothing may be lifted before it was asked for."""

    life: int
    asked: float
    answered: float | None = None
    kill_ids: tuple[str, ...] = ()


class Client:
    """One client: it trades, it retries, it looks at what it did."""

    def __init__(self, number: int, world: "World") -> None:
        self.number = number
        self._world = world
        self._rng = Random(f"{world.plan.seed}/client {number}")
        self._mine: list[str] = []
        self._orders: dict[str, Order] = {}
        self._resting: list[str] = []
        self._requests = 0

    async def run(self) -> None:
        """Act until the settling begins."""
        world, rng = self._world, self._rng
        while trio.current_time() < world.plan.calm_from:
            await trio.sleep(rng.expovariate(1 / world.plan.think_seconds))
            if trio.current_time() >= world.plan.calm_from:
                return
            choice = rng.random()
            if choice < 0.62 or not self._mine:
                await self._place()
            elif choice < 0.76:
                await self._amend_and_more(rng.choice(self._resting or self._mine[-12:]))
            elif choice < 0.9:
                await self._cancel(rng.choice(self._resting or self._mine[-12:]))
            elif choice < 0.98:
                await self._look(rng.choice(self._mine[-12:]))
            else:
                await self._cancel_all()

    async def _place(self) -> None:
        self._requests += 1
        request = f"c{self.number}-{self._requests}"
        intent = self._intent(request)
        if self._rng.random() < 0.05:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._try, request, intent)
                nursery.start_soon(self._try, request, intent)
            return
        for _ in range(self._rng.choice((1, 2, 4))):
            call = await self._try(request, intent)
            if call.answer not in ("", "Refused") and call.code != "IN_PROGRESS":
                break
            await trio.sleep(self._rng.uniform(0.05, 2.0))

    async def _try(self, request: str, intent: OrderIntent) -> Call:
        call = self._note("place", request)
        result = await self._world.ask(
            call,
            lambda port: port.place(intent, wait_seconds=WAIT_SECONDS, correlation_id=request),
        )
        if isinstance(result, r.Placed | r.Pending | r.Replayed | r.Denied):
            call.order, call.order_id = result.order, result.order.order_id
            self._orders[result.order.order_id] = result.order
            if result.order.order_id not in self._mine:
                self._mine.append(result.order.order_id)
            if result.order.is_open:
                self._resting = [*self._resting, result.order.order_id][-8:]
        call.code = getattr(result, "code", "")
        return call

    def _intent(self, request: str) -> OrderIntent:
        rng, world = self._rng, self._world
        venue = world.venues[rng.choice(world.plan.exchanges)]
        symbol = rng.choice(world.plan.symbols)
        side = rng.choice(("buy", "sell"))
        kind = rng.choices(KINDS, (12, 4, 2, 1))[0]
        mid = venue.mid(symbol)
        price = None
        if kind == "limit":
            away = Decimal(str(round(rng.choice((-0.002, 0.0005, 0.002, 0.01)) * rng.random(), 6)))
            price = (mid * (1 - away if side == "buy" else 1 + away)).quantize(TICK)
        worth = Decimal(rng.choice((rng.randint(20, 300), rng.randint(300, 2500))))
        quantity = max(LOT, (worth / mid).quantize(LOT, rounding=ROUND_DOWN))
        exits = rng.random() < 0.15
        if exits and (held := self._held(venue.name, symbol)) and rng.random() < 0.8:
            side, quantity, price = self._exit(held, mid, whole=kind in ("stop", "stop_limit"))
            price = price if kind == "limit" else None
        stop_price = None
        if kind in ("stop", "stop_limit"):
            stop_price, price = self._stop(side, mid, limited=kind == "stop_limit")
        return OrderIntent(
            order_id="",
            client_order_id=request,
            exchange=venue.name,
            symbol=symbol,
            side=side,
            type=kind,
            quantity=quantity,
            limit_price=price,
            stop_price=stop_price,
            time_in_force=self._time_in_force(kind),
            post_only=kind == "limit" and rng.random() < 0.05,
            reduce_only=exits,
            user=f"user {self.number}",
            token_id=f"token {self.number}",
            idempotency_key=request,
            fingerprint=request,
        )

    def _time_in_force(self, kind: str) -> str:
        if kind == "limit":
            return self._rng.choice(("GTC", "GTC", "GTC", "IOC", "FOK"))
        return "IOC" if kind == "market" else "GTC"

    def _stop(self, side: str, mid: Decimal, *, limited: bool) -> tuple[Decimal, Decimal | None]:
        """A price beyond the market that triggers, seldom one that has been passed already; and the limit, a
        little worse than that.
        """
        away = self._rng.choice((0.0005, 0.002, 0.008)) * self._rng.random()
        beyond = Decimal(str(round(away if self._rng.random() < 0.95 else -away, 6)))
        worse = Decimal(str(round(self._rng.uniform(-0.0005, 0.002), 6)))
        sign = 1 if side == "buy" else -1
        stop_price = (mid * (1 + sign * beyond)).quantize(TICK)
        return stop_price, (stop_price * (1 + sign * worse)).quantize(TICK) if limited else None

    def _exit(self, held: Decimal, mid: Decimal, *, whole: bool) -> tuple[str, Decimal, Decimal]:
        """Close what is held, away from the market; if not the whole, a part of it: several of these together
        would close more than there is.
        """
        part = Decimal(1) if whole else Decimal(str(round(self._rng.uniform(0.3, 1.0), 2)))
        quantity = max(LOT, (abs(held) * part).quantize(LOT, rounding=ROUND_DOWN))
        side, away = ("sell", "1.004") if held > 0 else ("buy", "0.996")
        return side, quantity, (mid * Decimal(away)).quantize(TICK)

    def _held(self, exchange: str, symbol: str) -> Decimal:
        """What the newest process shows as held."""
        process = self._world.process
        if process is None:
            return Decimal(0)
        return process.runtime.port.book.position(exchange, symbol).quantity

    async def _amend_and_more(self, order_id: str) -> None:
        """Amend, and sometimes place orders beside the amended one before its outcome is known: they need the
        room that both of its terms have taken.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._amend, order_id)
            if self._rng.random() < 0.4:
                order = self._orders[order_id].intent
                for _ in range(self._rng.choice((1, 2, 4))):
                    await trio.sleep(self._rng.uniform(0.001, 0.1))
                    self._requests += 1
                    request = f"c{self.number}-{self._requests}"
                    names = {"exchange": order.exchange, "symbol": order.symbol, "side": order.side}
                    beside = msgspec.structs.replace(self._intent(request), **names, reduce_only=False)
                    price = order.limit_price
                    if price is not None and beside.type == "limit":
                        beside = msgspec.structs.replace(beside, limit_price=price)
                    size = (order.quantity * Decimal(str(round(self._rng.uniform(0.3, 2), 3)))).quantize(LOT)
                    beside = msgspec.structs.replace(beside, quantity=max(LOT, size))
                    nursery.start_soon(self._try, request, beside)

    async def _amend(self, order_id: str) -> None:
        """Ask for more or less of an order, at the same or another price; ask again when no answer comes."""
        rng, order = self._rng, self._orders[order_id]
        self._requests += 1
        request = f"a{self.number}-{self._requests}"
        factor = Decimal(str(round(rng.choice((1, rng.uniform(0.2, 1), rng.uniform(1, 2.5))), 3)))
        quantity = max(LOT, (order.intent.quantity * factor).quantize(LOT, rounding=ROUND_DOWN))
        price = order.intent.limit_price
        if price is not None:
            price = price * Decimal(str(round(1 + rng.choice((0, 0.0005, 0.003)) * rng.uniform(-1, 1), 6)))
            price = price.quantize(TICK)
        for _ in range(rng.choice((1, 2, 3))):
            call = self._note("amend", request)
            call.order_id = order_id
            result = await self._world.ask(
                call,
                lambda port: port.amend(
                    order_id,
                    quantity=quantity,
                    limit_price=price,
                    user=f"user {self.number}",
                    token_id=f"token {self.number}",
                    idempotency_key=request,
                    fingerprint=request,
                    wait_seconds=WAIT_SECONDS,
                    correlation_id=request,
                ),
            )
            call.code = getattr(result, "code", "")
            call.order = getattr(result, "order", None)
            if call.order is not None:
                self._orders[order_id] = call.order
            if call.answer not in ("", "Refused") and call.code != "IN_PROGRESS":
                break
            await trio.sleep(rng.uniform(0.05, 2.0))

    async def _cancel(self, order_id: str) -> None:
        call = self._note("cancel", order_id)
        call.order_id = order_id
        if order_id in self._resting:
            self._resting.remove(order_id)
        result = await self._world.ask(
            call,
            lambda port: port.cancel(
                order_id, by=f"user {self.number}", correlation_id=order_id, wait_seconds=WAIT_SECONDS
            ),
        )
        call.code = getattr(result, "code", "")
        call.order = getattr(result, "order", None)

    async def _look(self, order_id: str) -> None:
        call = self._note("look", order_id)
        call.order_id = order_id
        call.order = await self._world.ask(call, lambda port: port.order(order_id))

    async def _cancel_all(self) -> None:
        call = self._note("cancel all", "")
        exchange = self._rng.choice(self._world.plan.exchanges)
        await self._world.ask(
            call,
            lambda port: port.cancel_all(
                exchange=exchange, symbol=None, side=None, by=f"user {self.number}", correlation_id="all"
            ),
        )

    def _note(self, what: str, request: str) -> Call:
        call = Call(
            client=self.number,
            what=what,
            request=request,
            life=0,
            began=trio.current_time(),
        )
        self._world.calls.append(call)
        return call
