"""The venue's own API, under `/_venue`: faults, the clock, the market, accounts, and the ledger as the truth.

It is for tests and for people, not for bots: no exchange has it. Amounts are decimal texts.
"""

from collections.abc import Callable
from decimal import Decimal

from quart import Blueprint, Response, jsonify, request

from actors.broker.adapters.simulated.engine import Quote as Outside
from actors.broker.adapters.simulated.market import MarketEvent
from actors.model.money import text
from ops.venue.accounts import Account
from ops.venue.exchange import VenueExchange
from ops.venue.faults import BadRule
from ops.venue.markets import OrderSpec, Refused, VenueOrder, VenueTrade
from ops.venue.service import Venue

Said = dict[str, object]


class BadRequest(ValueError):
    """A control request that can't be carried out: what is wrong with it."""


def blueprint(venue: Venue) -> Blueprint:
    """The routes, to be registered on the venue's application."""
    routes = Blueprint("control", __name__, url_prefix="/_venue")

    @routes.errorhandler(BadRequest)
    @routes.errorhandler(BadRule)
    @routes.errorhandler(Refused)
    async def bad(error: Exception) -> tuple[Response, int]:
        return jsonify({"error": str(error)}), 400

    @routes.get("/")
    async def state() -> Response:
        return jsonify({"exchanges": sorted(venue.exchanges), "skewSeconds": venue.clock.skew_us / 1e6})

    @routes.get("/ledger/<name>")
    async def ledger(name: str) -> Response:
        return jsonify(ledger_json(_exchange(venue, name), request.args.get("apiKey")))

    _add_weather(routes, venue)
    _add_trading(routes, venue)
    return routes


def _add_weather(routes: Blueprint, venue: Venue) -> None:
    """Faults, the clock, lost connections."""

    @routes.get("/faults")
    async def faults() -> Response:
        return jsonify([rule.as_json() for rule in venue.faults.listed()])

    @routes.post("/faults")
    async def add_fault() -> Response:
        return jsonify(venue.faults.add(await _said()).as_json())

    @routes.delete("/faults")
    @routes.delete("/faults/<int:number>")
    async def clear_faults(number: int | None = None) -> Response:
        venue.faults.clear(number)
        return jsonify({})

    @routes.post("/clock")
    async def skew() -> Response:
        venue.clock.skew_us = int(_amount(await _said(), "skewSeconds") * 1_000_000)
        return jsonify({"skewSeconds": venue.clock.skew_us / 1e6})

    @routes.post("/disconnect")
    async def disconnect() -> Response:
        for hub in venue.hubs(_exchange(venue, _word(await _said(), "exchange")).name):
            hub.disconnect_all()
        return jsonify({})


def _add_trading(routes: Blueprint, venue: Venue) -> None:
    """The market, accounts, and what others do on them."""

    @routes.post("/market")
    async def market() -> Response:
        return jsonify(_happen(venue, await _said()))

    @routes.post("/accounts")
    async def open_account() -> Response:
        asked = await _said()
        balances = asked.get("balances")
        if not isinstance(balances, dict):
            raise BadRequest("balances: must be an object of amounts")
        amounts = {asset: _amount(balances, asset) for asset in balances}
        exchange = _exchange(venue, _word(asked, "exchange")).name
        venue.open_account(exchange, _word(asked, "apiKey"), _word(asked, "secret"), amounts)
        return jsonify({"exchange": exchange})

    @routes.post("/setup")
    async def set_up() -> Response:
        asked = await _said()
        account = _account(_exchange(venue, _word(asked, "exchange")), _word(asked, "apiKey"))
        if "leverage" in asked:
            account.leverage = _amount(asked, "leverage")
        if "marginMode" in asked:
            account.margin_mode = _word(asked, "marginMode")
        account.dcp_enabled = asked.get("dcp", account.dcp_enabled) is True
        account.hedged = asked.get("hedgeMode", account.hedged) is True
        found = {"leverage": text(account.leverage), "marginMode": account.margin_mode}
        return jsonify({**found, "hedgeMode": account.hedged})

    @routes.post("/transfers")
    async def transfer() -> Response:
        asked = await _said()
        exchange = _exchange(venue, _word(asked, "exchange"))
        account = _account(exchange, _word(asked, "apiKey"))
        line = exchange.transfer(account, _word(asked, "asset"), _amount(asked, "amount"))
        return jsonify({"number": line.number, "asset": line.asset, "amount": text(line.amount)})

    @routes.post("/orders")
    async def place() -> Response:
        asked = await _said()
        exchange = _exchange(venue, _word(asked, "exchange"))
        order = exchange.place(_account(exchange, _word(asked, "apiKey")), _spec(asked))
        return jsonify(order_json(order))

    @routes.post("/cancel")
    async def cancel() -> Response:
        asked = await _said()
        exchange = _exchange(venue, _word(asked, "exchange"))
        account = _account(exchange, _word(asked, "apiKey"))
        order = exchange.find(account, None, _word(asked, "orderId"), None)
        exchange.cancel(order)
        return jsonify(order_json(order))


async def _said() -> Said:
    found = await request.get_json(force=True)
    if not isinstance(found, dict):
        raise BadRequest("the body must be an object")
    return found


def ledger_json(exchange: VenueExchange, api_key: str | None) -> Said:
    """Everything that the exchange knows, of one account or of all."""
    accounts = [account for account in exchange.accounts.values() if api_key in (None, account.api_key)]
    return {
        "accounts": [_account_json(account) for account in accounts],
        "orders": [order_json(order) for order in exchange.orders.values() if api_key in (None, order.owner)],
        "trades": [_trade_json(trade) for trade in exchange.trades if api_key in (None, trade.order.owner)],
    }


def _account_json(account: Account) -> Said:
    assets = sorted({*account.free, *account.locked})
    zero = Decimal(0)
    return {
        "apiKey": account.api_key,
        "balances": {
            asset: {
                "free": text(account.free.get(asset, zero)),
                "locked": text(account.locked.get(asset, zero)),
            }
            for asset in assets
        },
        "positions": {
            market_id: {"quantity": text(position.quantity), "cost": text(position.cost)}
            for market_id, position in sorted(account.positions.items())
        },
    }


def order_json(order: VenueOrder) -> Said:
    """One order."""
    return {
        "orderId": order.order_id,
        "clientOrderId": order.spec.client_id,
        "apiKey": order.owner,
        "symbol": order.spec.market_id,
        "side": order.spec.side,
        "quantity": text(order.spec.quantity),
        "price": None if order.spec.limit_price is None else text(order.spec.limit_price),
        "executed": text(order.executed),
        "status": order.status,
    }


def _trade_json(trade: VenueTrade) -> Said:
    return {
        "tradeId": trade.number,
        "orderId": trade.order.order_id,
        "clientOrderId": trade.order.spec.client_id,
        "symbol": trade.order.spec.market_id,
        "side": trade.order.spec.side,
        "quantity": text(trade.quantity),
        "price": text(trade.price),
        "fee": text(trade.fee),
        "feeAsset": trade.fee_asset,
        "maker": trade.maker,
    }


def _happen(venue: Venue, asked: Said) -> Said:
    exchange, market_id = _exchange(venue, _word(asked, "exchange")), _word(asked, "symbol")
    exchange.market(market_id)
    price = _amount(asked, "price") if "price" in asked else None
    bid = _amount(asked, "bid") if "bid" in asked else None
    ask = _amount(asked, "ask") if "ask" in asked else None
    side = _word(asked, "side") if "side" in asked else None
    if price is not None and side == "buy" and ask is None:
        ask = price
    if price is not None and side == "sell" and bid is None:
        bid = price
    event = MarketEvent(
        at_us=0, quote=Outside(bid, ask), price=price, quantity=_amount(asked, "quantity", "1"), side=side
    )
    if "mark" in asked:
        exchange.mark(market_id, _amount(asked, "mark"))
    exchange.happen(market_id, event)
    quote = exchange.quotes[market_id]
    return {"bid": text(quote.bid), "ask": text(quote.ask), "last": text(quote.last)}


def _exchange(venue: Venue, name: str) -> VenueExchange:
    found = venue.exchanges.get(name)
    if found is None:
        raise BadRequest(f"exchange: {name!r} is none of {', '.join(sorted(venue.exchanges))}")
    return found


def _account(exchange: VenueExchange, api_key: str) -> Account:
    found = exchange.accounts.get(api_key)
    if found is None:
        raise BadRequest(f"apiKey: {api_key!r} has no account at {exchange.name}")
    return found


def _spec(asked: Said) -> OrderSpec:
    price = _amount(asked, "price") if asked.get("price") is not None else None
    return OrderSpec(
        market_id=_word(asked, "symbol"),
        side=_word(asked, "side"),
        quantity=_amount(asked, "quantity"),
        limit_price=price,
        time_in_force="GTC",
        client_id=_word(asked, "clientOrderId"),
        raw_type="MARKET" if price is None else "LIMIT",
    )


def _word(asked: Said, name: str) -> str:
    found = asked.get(name)
    if not isinstance(found, str) or not found:
        raise BadRequest(f"{name}: must be a text")
    return found


def _amount(asked: Said, name: str, otherwise: str | None = None) -> Decimal:
    found = asked.get(name, otherwise)
    read: Callable[[str], Decimal] = Decimal
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise BadRequest(f"{name}: must be an amount")
    try:
        return read(str(found))
    except ArithmeticError:
        raise BadRequest(f"{name}: {found!r} is not an amount") from None
