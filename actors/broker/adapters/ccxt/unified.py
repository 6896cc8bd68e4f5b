"""Any other exchange through ccxt's unified interface: untested here, and it says so.

It keeps to what can be known without rows of its own in the outcome table: a submit is confirmed by an order
with an id and our client order id, refused only by a 4xx status together with a refusing class, and otherwise
unresolved. Absence can't be proven (no receive window is known), so the operator decides about an order that
stays unknown.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from actors.broker.adapters.ccxt import outcomes
from actors.broker.adapters.ccxt.dialect import plain
from actors.broker.adapters.ccxt.markets import Market, Names, markets_of
from actors.broker.adapters.ccxt.precision import breach, describe
from actors.broker.adapters.ccxt.profiles import Profile
from actors.broker.adapters.ccxt.values import Malformed, mapping, objects, optional_text, text
from actors.broker.adapters.ccxt.wire import Client, Reply, StreamLost, Watch
from actors.broker.port import (
    Capabilities,
    Confirmed,
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
from actors.model.messages import Balance, Tick
from actors.model.order import OrderIntent

_LOG = logging.getLogger(__name__)
_STATUS = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
T = TypeVar("T")
_FAMILY = "unified"
_PAGE = 100


class UnifiedExchange:
    """See `actors.broker.port.ExchangePort`. Every answer is read from ccxt's unified structures."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        client: Client,
        clock: Clock,
        *,
        ours: Callable[[str], bool],
        initial_margin: Decimal,
    ) -> None:
        self._name = name
        self._profile = profile
        self._client = client
        self._clock = clock
        self._ours = ours
        self._initial_margin = initial_margin
        self._names = Names(name, profile.market_type, {}, ours)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            absence_window_seconds=None, reports_positions=self._profile.market_type != "spot"
        )

    def on_usage(self, report: Callable[[Usage], None]) -> None:
        """Call `report` with what each answer's headers tell, where they are of a known kind."""
        self._client.report_usage = report

    async def connect(self) -> None:
        _LOG.warning("exchange %s (%s) is untested with this adapter", self._name, self._profile.ccxt_id)
        await self._client.connect()
        table = self._client.markets()
        try:
            markets = markets_of(self._name, self._profile.market_type, table, self._initial_margin)
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
        return [market.instrument for market in self._names.offered.values()]

    async def submit(self, intent: OrderIntent) -> Outcome:
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
        params: dict[str, object] = {"clientOrderId": intent.venue_id}
        if intent.limit_price is not None:
            params["timeInForce"] = intent.time_in_force
            params["postOnly"] = intent.post_only
        if intent.reduce_only and self._profile.market_type != "spot":
            params["reduceOnly"] = True
        price = None if intent.limit_price is None else plain(intent.limit_price)
        reply = await self._client.unified(
            "create_order", market.unified, intent.type, intent.side, plain(intent.quantity), price, params
        )
        return outcomes.outcome(_FAMILY, "submit", reply, _confirmed(reply, intent.venue_id))

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        market = self._names.by_symbol.get(symbol)
        if market is None or not exchange_order_id:
            return NotSent(reason="an order can be cancelled here only by the exchange's own id", local=True)
        reply = await self._client.unified("cancel_order", exchange_order_id, market.unified)
        confirmed = Confirmed(exchange_order_id=exchange_order_id, status="canceled") if reply.ok else None
        return outcomes.outcome(_FAMILY, "cancel", reply, confirmed)

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        """Among the open orders only: None does not prove absence, and `capabilities` says so."""
        return next((row for row in await self.open_orders(symbol) if row.venue_id == venue_id), None)

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        unified = None if symbol is None else self._market(symbol).unified
        rows = self._rows(await self._client.unified("fetch_open_orders", unified))
        return self._read(
            lambda: [self._report(row) for row in rows if row.get("symbol") in self._names.by_unified]
        )

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        unified = self._market(symbol).unified
        reply = await self._client.unified("fetch_my_trades", unified, since_us // 1000, _PAGE)
        rows = self._rows(reply)
        fills = self._read(lambda: [self._fill(row) for row in rows])
        return sorted(
            (fill for fill in fills if fill.at_us >= since_us), key=lambda fill: (fill.at_us, fill.trade_id)
        )

    async def balances(self) -> Sequence[Balance]:
        answer = self._answer(await self._client.unified("fetch_balance"))
        return self._read(lambda: self._balances(mapping(answer, "balance")))

    def _balances(self, body: Mapping[str, object]) -> Sequence[Balance]:
        totals, free = body.get("total"), body.get("free")
        if not isinstance(totals, Mapping) or not isinstance(free, Mapping):
            raise Unavailable("exchange", "the balance has no totals")
        return [
            Balance(exchange=self._name, asset=asset, total=_amount(total), free=_amount(free.get(asset)))
            for asset, total in sorted(totals.items())
            if _amount(total)
        ]

    async def positions(self) -> Sequence[PositionReport]:
        if self._profile.market_type == "spot":
            return ()
        rows = self._rows(await self._client.unified("fetch_positions"))
        return self._read(lambda: self._positions(rows))

    def _positions(self, rows: Sequence[Mapping[str, object]]) -> Sequence[PositionReport]:
        found = []
        for row in rows:
            market = self._names.by_unified.get(optional_text(row, "symbol"))
            contracts = _amount(row.get("contracts")) * _amount(row.get("contractSize") or 1)
            if market is not None and contracts:
                signed = -contracts if row.get("side") == "short" else contracts
                average = _amount(row.get("entryPrice")) or None
                symbol = market.instrument.symbol
                found.append(PositionReport(symbol=symbol, quantity=signed, average_price=average))
        return found

    async def server_time_us(self) -> int:
        answer = self._answer(await self._client.unified("fetch_time"))
        if not isinstance(answer, int):
            raise Unavailable("exchange", "the exchange does not tell its time")
        return answer * 1000

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        def took(method: str, answer: object) -> None:
            for row in objects(answer, "updates"):
                if row.get("symbol") in self._names.by_unified:
                    deliver(self._report(row) if method == "watch_orders" else self._fill(row))

        await self._follow("orders", (Watch(method="watch_orders"), Watch(method="watch_my_trades")), took)

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        unified = [self._market(symbol).unified for symbol in symbols]

        def took(method: str, answer: object) -> None:
            tick = self._tick(mapping(answer, "ticker"))
            if tick is not None:
                deliver(tick)

        await self._follow(
            "market", tuple(Watch(method="watch_ticker", arguments=(name,)) for name in unified), took
        )

    async def _follow(
        self, kind: str, watches: tuple[Watch, ...], took: Callable[[str, object], None]
    ) -> None:
        try:
            await self._client.watch(kind, watches, lambda frame: False, took)
        except StreamLost as error:
            raise Unavailable("network", f"the {kind} stream ended: {error}") from error

    def _report(self, row: Mapping[str, object]) -> OrderReport:
        status = _STATUS.get(optional_text(row, "status"), "open")
        kind = "market" if row.get("type") == "market" else "limit"
        return OrderReport(
            symbol=self._names.by_unified[text(row, "symbol")].instrument.symbol,
            venue_id=self._names.venue_id(optional_text(row, "clientOrderId")),
            exchange_order_id=text(row, "id"),
            side=text(row, "side"),
            type=kind,
            quantity=_amount(row.get("amount")),
            limit_price=_amount(row.get("price")) if kind == "limit" else None,
            executed=_amount(row.get("filled")),
            status="canceled" if status == "filled" and _amount(row.get("remaining")) else status,
            at_us=_micros(row, self._clock),
        )

    def _fill(self, row: Mapping[str, object]) -> Fill:
        market = self._names.by_unified.get(text(row, "symbol"))
        if market is None:
            raise Malformed("symbol", row.get("symbol"))
        instrument = market.instrument
        told = row.get("fee")
        fee: Mapping[str, object] = told if isinstance(told, Mapping) else {}
        return Fill(
            exchange=self._name,
            market_type=instrument.market_type,
            symbol=instrument.symbol,
            exchange_order_id=text(row, "order"),
            trade_id=text(row, "id"),
            order_id="",
            side=text(row, "side"),
            quantity=_amount(row.get("amount")),
            price=_amount(row.get("price")),
            fee=_amount(fee.get("cost")),
            fee_currency=optional_text(fee, "currency") or instrument.quote,
            liquidity="maker" if row.get("takerOrMaker") == "maker" else "taker",
            at_us=_micros(row, self._clock),
        )

    def _tick(self, row: Mapping[str, object]) -> Tick | None:
        market = self._names.by_unified.get(optional_text(row, "symbol"))
        if market is None:
            return None
        prices = {name: _amount(row.get(name)) or None for name in ("bid", "ask", "last")}
        return Tick(
            exchange=self._name, symbol=market.instrument.symbol, at_us=self._clock.now_us(), **prices
        )

    def _answer(self, reply: Reply) -> object:
        if reply.error:
            raise outcomes.unavailable(_FAMILY, reply)
        return reply.body

    def _rows(self, reply: Reply) -> list[Mapping[str, object]]:
        answer = self._answer(reply)
        return self._read(lambda: objects(answer, "rows"))

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Malformed as error:
            raise Unavailable("exchange", f"an answer could not be read: {error}") from error

    def _market(self, symbol: str) -> Market:
        market = self._names.by_symbol.get(symbol)
        if market is None:
            raise Unavailable("exchange", f"{symbol} is no market of {self._name}")
        return market


def _confirmed(reply: Reply, venue_id: str) -> Confirmed | None:
    """An order with an id that is ours: ccxt makes an order of any answer, also of an empty one."""
    if not isinstance(reply.body, Mapping) or not reply.ok:
        return None
    number, named = reply.body.get("id"), reply.body.get("clientOrderId")
    if not isinstance(number, str) or not number or named not in (None, venue_id):
        return None
    return Confirmed(exchange_order_id=number, status="open")


def _amount(value: object) -> Decimal:
    """ccxt's number as a decimal; nothing is zero."""
    if value is None:
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Malformed("amount", value) from None
    if not found.is_finite():
        raise Malformed("amount", value)
    return found


def _micros(row: Mapping[str, object], clock: Clock) -> int:
    stamp = row.get("timestamp")
    return stamp * 1000 if isinstance(stamp, int) else clock.now_us()
