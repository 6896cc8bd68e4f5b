"""What is held, what was executed, what may still be risked, and the journal itself."""

from web.call import Answer, Call, answer_json
from web.patterns import UUID
from web.routes import parameters
from web.routes.orders import event_page
from web.services import Services
from web.wire import (
    BalanceBody,
    FillBody,
    PositionBody,
    Wire,
    balance_body,
    fill_body,
    position_body,
    risk_body,
)

MAX_SEQUENCE = 9_007_199_254_740_991


class Positions(Wire, frozen=True, kw_only=True):
    """All positions."""

    positions: list[PositionBody]


class FillPage(Wire, frozen=True, kw_only=True):
    """A page of fills."""

    fills: list[FillBody]
    next_cursor: str | None


class BalanceList(Wire, frozen=True, kw_only=True):
    """All balances."""

    balances: list[BalanceBody]


async def positions(services: Services, call: Call) -> Answer:
    """The positions, ordered by exchange and symbol."""
    query = call.query("exchange", "symbol")
    exchange, symbol = parameters.exchange(query), parameters.symbol(query)
    found = [
        position_body(view)
        for view in await services.port.positions()
        if exchange in (None, view.position.exchange) and symbol in (None, view.position.symbol)
    ]
    return answer_json(Positions(positions=found))


async def fills(services: Services, call: Call) -> Answer:
    """A page of fills, newest first."""
    query = call.query("exchange", "symbol", "orderId", "limit", "cursor")
    limit = parameters.page_size(query)
    found = await services.port.fills(
        exchange=parameters.exchange(query),
        symbol=parameters.symbol(query),
        order_id=parameters.query_order_id(query),
        limit=limit + 1,
        before=parameters.read_cursor(query, UUID),
    )
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    cursor = None if last is None else parameters.write_cursor(last.at_us, last.fill_id)
    return answer_json(FillPage(fills=[fill_body(fill) for fill in page], next_cursor=cursor))


async def balances(services: Services, call: Call) -> Answer:
    """The balances as last seen at each exchange."""
    call.query()
    found = await services.port.balances()
    return answer_json(BalanceList(balances=[balance_body(balance) for balance in found]))


async def risk(services: Services, call: Call) -> Answer:
    """The limits and what is used of them."""
    query = call.query("reservations")
    wanted = parameters.flag(query, "reservations")
    return answer_json(risk_body(await services.port.risk(reservations=wanted)))


async def events(services: Services, call: Call) -> Answer:
    """A page of the journal, oldest first."""
    query = call.query("after", "orderId", "limit", "cursor")
    cursor = parameters.read_cursor(query)
    after = parameters.whole(query, "after", 0, 0, MAX_SEQUENCE)
    if cursor is not None:
        after = cursor[0]
    return await event_page(services, after, parameters.page_size(query), parameters.query_order_id(query))
