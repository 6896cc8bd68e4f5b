"""The exchange port over a ccxt client: requests and answers by the dialect, verdicts by the outcome table.

It keeps no state that a restart would need. The one thing that it remembers, which client order id belongs to
an exchange's order number, only saves questions: Binance's trades name their order by number alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from actors.broker.adapters.ccxt import outcomes
from actors.broker.adapters.ccxt.dialect import AccountWish, Dialect, Request
from actors.broker.adapters.ccxt.markets import Market, Names, markets_of
from actors.broker.adapters.ccxt.precision import breach, describe
from actors.broker.adapters.ccxt.profiles import Profile
from actors.broker.adapters.ccxt.usage import cost_of
from actors.broker.adapters.ccxt.values import Malformed
from actors.broker.adapters.ccxt.wire import Client, Frame, Reply, StreamLost, Watch
from actors.broker.paging import next_page
from actors.broker.port import (
    EXTERNAL,
    Capabilities,
    NotSent,
    OrderReport,
    Outcome,
    PositionReport,
    StreamItem,
    Unavailable,
    Usage,
)
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, BalanceMove, Tick
from actors.model.order import OrderIntent

T = TypeVar("T")

_MARGIN_SECONDS = 5.0
_REMEMBERED = 20_000
_MAX_PAGES = 200


class CcxtExchange:
    """One account at one exchange. See `actors.broker.port.ExchangePort` for what each method promises."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        dialect: Dialect,
        client: Client,
        clock: Clock,
        *,
        ours: Callable[[str], bool],
        initial_margin: Decimal,
        wish: AccountWish = AccountWish(),  # noqa: B008 - frozen
        use_switch: bool = False,
    ) -> None:
        self._name = name
        self._profile = profile
        self._dialect = dialect
        self._client = client
        self._clock = clock
        self._ours = ours
        self._initial_margin = initial_margin
        self._wish = wish
        self._has_switch = use_switch or profile.switch == "countdown"
        self._names = Names(name, profile.market_type, {}, ours)
        self._traded: dict[str, None] = {}
        self._clients_by_number: OrderedDict[tuple[str, str], str] = OrderedDict()

    @property
    def capabilities(self) -> Capabilities:
        window = self._profile.receive_window_ms
        return Capabilities(
            absence_window_seconds=None if window is None else window / 1000 + _MARGIN_SECONDS,
            reports_positions=self._profile.market_type != "spot",
            dead_mans_switch=self._has_switch,
            fills_with_answer=self._profile.fills_with_answer,
            amends_in_place=self._dialect.amends,
        )

    def on_usage(self, report: Callable[[Usage], None]) -> None:
        """Call `report` with what each answer's headers tell, from now on."""
        self._client.report_usage = report

    def cost(self, call: str) -> Mapping[str, int]:
        """Units by budget name for a method of the port."""
        return cost_of(self._profile.family, self._profile.market_type, call)

    async def connect(self) -> None:
        """Connect, and read the markets again when they have become old; raise Unavailable."""
        if not await self._client.connect() and self._names.offered:
            return
        try:
            markets = markets_of(
                self._name, self._profile.market_type, self._client.markets(), self._initial_margin
            )
        except Malformed as error:
            raise Unavailable("exchange", f"unreadable market table: {error}") from error
        names = Names(self._name, self._profile.market_type, markets, self._ours)
        if not names.offered:
            raise Unavailable("exchange", f"no {self._profile.market_type} market is offered")
        self._names = names

    async def close(self) -> None:
        await self._client.close()

    def use_credentials(self, api_key: str, api_secret: str) -> None:
        """Sign with another key pair of the same account from the next request on; nothing is interrupted."""
        self._client.use_credentials(api_key, api_secret)

    async def instruments(self) -> Sequence[Instrument]:
        """What is offered now: a delisting or another grid is seen within a quarter of an hour."""
        await self.connect()
        return [market.instrument for market in self._names.offered.values()]

    async def submit(self, intent: OrderIntent) -> Outcome:
        """At most one request leaves; a value that would have to be changed leaves not at all."""
        market = self._names.offered.get(intent.symbol)
        if market is None:
            return NotSent(
                reason=f"SYMBOL_NOT_ALLOWED: {intent.symbol} is no market of {self._name}", local=True
            )
        if intent.stop_price is not None:
            return NotSent(
                reason=f"ORDER_TYPE_UNSUPPORTED: {intent.type} orders are not sent to {self._name}",
                local=True,
            )
        found = breach(market.instrument, market.filters, intent)
        if found is not None:
            return NotSent(reason=describe(found), local=True)
        self._traded[intent.symbol] = None
        request = self._dialect.submit(intent, market)
        reply = await self._client.call(request.method, request.params)
        confirmed = self._dialect.confirmed(intent, reply, self._names)
        if confirmed is not None:
            self._remember(intent.symbol, confirmed.exchange_order_id, intent.venue_id)
        return outcomes.outcome(self._dialect.family, "submit", reply, confirmed)

    async def amend(self, intent: OrderIntent, exchange_order_id: str | None) -> Outcome:
        """At most one request leaves; a value that would have to be changed leaves not at all."""
        market = self._names.offered.get(intent.symbol)
        if market is None:
            return NotSent(
                reason=f"SYMBOL_NOT_ALLOWED: {intent.symbol} is no market of {self._name}", local=True
            )
        found = breach(market.instrument, market.filters, intent)
        if found is not None:
            return NotSent(reason=describe(found), local=True)
        request = self._dialect.amend(intent, market)
        reply = await self._client.call(request.method, request.params)
        confirmed = self._dialect.amended(intent, reply, self._names)
        return outcomes.outcome(self._dialect.family, "amend", reply, confirmed)

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        market = self._names.by_symbol.get(symbol)
        if market is None:
            return NotSent(reason=f"SYMBOL_NOT_ALLOWED: {symbol} is no market of {self._name}", local=True)
        request = self._dialect.cancel(market, venue_id, exchange_order_id)
        reply = await self._client.call(request.method, request.params)
        return outcomes.outcome(
            self._dialect.family, "cancel", reply, self._dialect.cancelled(venue_id, reply)
        )

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        market = self._market(symbol)
        for request in self._dialect.lookups(market, venue_id):
            found = await self._look(request)
            if found is not None:
                return found
        return None

    async def _look(self, request: Request) -> OrderReport | None:
        reply = await self._client.call(request.method, request.params)
        try:
            found = self._dialect.found(reply, self._names)
        except Malformed as error:
            raise self._unreadable(reply, error) from error
        if found is not None:
            self._remember(found.symbol, found.exchange_order_id, found.venue_id)
        return found

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        market = None if symbol is None else self._market(symbol)
        return await self._orders(self._dialect.open_orders(market))

    async def _pages(
        self,
        asked: Request | None,
        read: Callable[[Request, Reply], tuple[Sequence[T], Request | None]],
    ) -> list[T]:
        """What a request and those that follow it bring; raise Unavailable."""
        found: list[T] = []
        for page in range(_MAX_PAGES):
            if asked is None:
                break
            if page:
                await next_page()
            reply = await self._ask(asked)
            try:
                rows, asked = read(asked, reply)
            except Malformed as error:
                raise self._unreadable(reply, error) from error
            found.extend(rows)
        return found

    async def _orders(self, request: Request | None) -> Sequence[OrderReport]:
        found = await self._pages(
            request, lambda asked, reply: self._dialect.orders(asked, reply, self._names)
        )
        for row in found:
            self._remember(row.symbol, row.exchange_order_id, row.venue_id)
        return found

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        market, now_us = self._market(symbol), self._clock.now_us()
        asked: Request | None = self._dialect.fills(market, since_us, now_us)
        found: dict[tuple[str, ...], Fill] = {}
        for page in range(_MAX_PAGES):
            if asked is None:
                break
            if page:
                await next_page()
            reply = await self._ask(asked)
            try:
                told = self._dialect.fill_page(market, asked, reply, self._names, now_us)
            except Malformed as error:
                raise self._unreadable(reply, error) from error
            await self._learn(market, told.unnamed)
            found.update({fill.key: self._named(fill) for fill in told.fills})
            asked = told.following
        listed = sorted(found.values(), key=lambda fill: (fill.at_us, fill.trade_id))
        return [fill for fill in listed if fill.at_us >= since_us]

    async def _learn(self, market: Market, numbers: Sequence[str]) -> None:
        """Ask once for the orders whose client ids are not known, from the oldest of them on; then for each
        that this list, which may lag behind the trades, does not have.
        """
        symbol = market.instrument.symbol
        unknown = [number for number in numbers if (symbol, number) not in self._clients_by_number]
        if not unknown:
            return
        request = self._dialect.orders_from(market, min(unknown, key=lambda number: (len(number), number)))
        await next_page()
        await self._orders(request)
        for number in unknown:
            if (symbol, number) not in self._clients_by_number:
                await next_page()
                await self._look(self._dialect.order_numbered(market, number))

    def _named(self, fill: Fill) -> Fill:
        if fill.order_id != EXTERNAL:
            return fill
        ours = self._clients_by_number.get((fill.symbol, fill.exchange_order_id), "")
        return msgspec.structs.replace(fill, order_id=ours or EXTERNAL)

    def _remember(self, symbol: str, number: str, venue_id: str) -> None:
        self._clients_by_number[(symbol, number)] = venue_id
        self._clients_by_number.move_to_end((symbol, number))
        if len(self._clients_by_number) > _REMEMBERED:
            self._clients_by_number.popitem(last=False)

    async def balances(self) -> Sequence[Balance]:
        reply = await self._ask(self._dialect.balances())
        try:
            return self._dialect.balances_in(reply, self._names)
        except Malformed as error:
            raise self._unreadable(reply, error) from error

    async def statement_since(self, since_us: int) -> Sequence[BalanceMove]:
        """What moved the balances besides trades, oldest first; raise Unavailable.

        A list that the exchange refuses to this key or account is left out; where it refuses all, the kind is
        `exchange`. What is missing for it shows, because the rest then does not add up.
        """
        now_us = self._clock.now_us()
        found: dict[str, BalanceMove] = {}
        refused: list[Unavailable] = []
        first = self._dialect.statement(since_us, now_us)
        for index, request in enumerate(first):
            try:
                if index:
                    await next_page()
                found.update({move.evidence: move for move in await self._read_list(request, now_us)})
            except Unavailable as problem:
                if problem.kind != "exchange":
                    raise
                refused.append(problem)
        if len(refused) == len(first):
            raise refused[0]
        lines = sorted(found.values(), key=lambda move: (move.at_us, move.evidence))
        return [move for move in lines if move.at_us >= since_us]

    async def _read_list(self, first: Request, now_us: int) -> list[BalanceMove]:
        def read(asked: Request, reply: Reply) -> tuple[Sequence[BalanceMove], Request | None]:
            told = self._dialect.statement_page(asked, reply, now_us)
            return told.moves, told.following

        return await self._pages(first, read)

    async def positions(self) -> Sequence[PositionReport]:
        return await self._pages(
            self._dialect.positions(),
            lambda asked, reply: self._dialect.positions_in(asked, reply, self._names),
        )

    async def server_time_us(self) -> int:
        reply = await self._ask(self._dialect.server_time())
        try:
            return self._dialect.server_time_in(reply)
        except Malformed as error:
            raise self._unreadable(reply, error) from error

    async def arm(self, seconds: float) -> None:
        """Have the exchange cancel our orders in the traded symbols unless this is renewed in time.

        Raise Unavailable, also where the exchange has no such switch.
        """
        if not self._has_switch:
            raise Unavailable("exchange", f"{self._name} has no dead-man's switch")
        listed = self._names.offered
        markets = [listed[symbol] for symbol in self._traded if symbol in listed]
        if not markets:
            raise Unavailable("exchange", "no symbol is followed yet that it could be armed for")
        for request in self._dialect.dead_mans_switch(markets, seconds):
            reply = await self._ask(request)
            try:
                problem = self._dialect.switch_problem(request, reply)
            except Malformed as error:
                raise self._unreadable(reply, error) from error
            if problem:
                raise Unavailable("exchange", problem)

    async def disarm(self) -> None:
        """Before a planned stop; raise Unavailable."""
        await self.arm(0.0)
        topic = self._dialect.switch_topic()
        if topic:
            reply = await self._client.unified("unwatch_switch", topic)
            if reply.error:
                raise outcomes.unavailable(self._dialect.family, reply)

    async def account_problems(self, symbols: Sequence[str]) -> Sequence[str]:
        """What of the account is not as trading here needs it, or not as wished; raise Unavailable."""
        found: list[str] = []
        for request in self._dialect.account_questions([self._market(symbol) for symbol in symbols]):
            reply = await self._ask(request)
            try:
                found.extend(self._dialect.account_problems(request, reply, self._names, self._wish))
            except Malformed as error:
                raise self._unreadable(reply, error) from error
        return found

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        def tap(frame: Frame) -> bool:
            items = self._dialect.order_frame(frame, self._names)
            for item in items or ():
                if isinstance(item, OrderReport):
                    self._remember(item.symbol, item.exchange_order_id, item.venue_id)
                deliver(item)
            return items is not None

        await self._follow("orders", tap)

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        markets = [self._market(symbol) for symbol in symbols]
        self._traded.update(dict.fromkeys(symbols))

        def tap(frame: Frame) -> bool:
            ticks = self._dialect.market_frame(frame, self._names, self._clock.now_us())
            for tick in ticks or ():
                deliver(tick)
            return ticks is not None

        await self._follow("market", tap, markets)

    async def _follow(self, kind: str, tap: Callable[[Frame], bool], markets: Sequence[Market] = ()) -> None:
        watches = self._order_watches() if kind == "orders" else self._dialect.market_watches(markets)
        try:
            await self._client.watch(kind, watches, tap)
        except StreamLost as error:
            raise Unavailable("network", f"the {kind} stream ended: {error}") from error

    def _order_watches(self) -> tuple[Watch, ...]:
        watches, topic = self._dialect.order_watches(), self._dialect.switch_topic()
        if not (self._has_switch and topic):
            return watches
        return (*watches, Watch(method="watch_switch", arguments=(topic,)))

    async def _ask(self, request: Request) -> Reply:
        reply = await self._client.call(request.method, request.params)
        if not reply.ok or reply.status is None or reply.status >= 300:
            raise outcomes.unavailable(self._dialect.family, reply)
        return reply

    def _unreadable(self, reply: Reply, error: Malformed) -> Unavailable:
        if not reply.ok:
            return outcomes.unavailable(self._dialect.family, reply)
        return Unavailable("exchange", f"an answer could not be read: {error}")

    def _market(self, symbol: str) -> Market:
        market = self._names.by_symbol.get(symbol)
        if market is None:
            raise Unavailable("exchange", f"{symbol} is no market of {self._name}")
        return market
