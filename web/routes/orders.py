"""Placing, reading and cancelling orders."""

from actors.model.order import OrderIntent
from actors.model.results import Refused
from actors.queries import OrderFilter
from web.asked import AmendRequest, NewOrder, Terms, decoder, intent_of, terms_of
from web.auth.port import Principal
from web.call import Answer, Call, Headers, answer_json, answer_problem
from web.patterns import UUID
from web.problems import ProblemError, invalid_field
from web.routes import parameters
from web.routes.outcomes import Outcome, of_amend, of_cancel, of_place, refused
from web.services import Services
from web.wire import EventBody, OrderBody, Wire, event_body, order_body

STATUSES = (
    "accepted",
    "submitted",
    "unknown",
    "open",
    "partially_filled",
    "pending_cancel",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "denied",
)


class OrderPage(Wire, frozen=True, kw_only=True):
    """A page of orders."""

    orders: list[OrderBody]
    next_cursor: str | None


class EventPage(Wire, frozen=True, kw_only=True):
    """A page of events."""

    events: list[EventBody]
    next_cursor: str | None


class CancelledAll(Wire, frozen=True, kw_only=True):
    """The ids of the orders that a cancel was asked for."""

    order_ids: tuple[str, ...]


_read_order = decoder(NewOrder)
_read_amend = decoder(AmendRequest)


async def place(services: Services, call: Call) -> Answer:
    """Place one order."""
    began = services.clock.monotonic()
    dry_run = bool(call.query_string) and parameters.flag(call.query("dryRun"), "dryRun")
    principal = call.principal
    intent = intent_of(
        _read_order(call.body),
        user=principal.user,
        token_id=principal.token_id,
        idempotency_key=parameters.idempotency_key(call),
    )
    wait = parameters.wait_seconds(call, services.settings.wait_seconds)
    outcome = await place_one(services, intent, wait, call.correlation_id, dry_run=dry_run)
    services.metrics.order_latency.observe(services.clock.monotonic() - began)
    return answer(outcome, call, locate=not dry_run)


async def place_one(
    services: Services, intent: OrderIntent, wait: float, correlation_id: str, *, dry_run: bool
) -> Outcome:
    """Hand an intent to the port and count what became of it."""
    result = await services.port.place(
        intent, wait_seconds=wait, correlation_id=correlation_id, dry_run=dry_run
    )
    outcome = of_place(result, dry_run=dry_run)
    if not dry_run:
        services.metrics.placed(outcome)
    return outcome


async def amend(services: Services, call: Call) -> Answer:
    """Amend one order."""
    call.query()
    order_id = parameters.path_order_id(call)
    outcome = await amend_one(
        services,
        order_id,
        terms_of(_read_amend(call.body), order_id),
        call.principal,
        parameters.idempotency_key(call),
        parameters.wait_seconds(call, services.settings.wait_seconds),
        call.correlation_id,
    )
    return answer(outcome, call, locate=False)


async def amend_one(
    services: Services,
    order_id: str,
    terms: Terms,
    principal: Principal,
    idempotency_key: str | None,
    wait: float,
    correlation_id: str,
) -> Outcome:
    """Hand an amend to the port."""
    result = await services.port.amend(
        order_id,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        user=principal.user,
        token_id=principal.token_id,
        idempotency_key=idempotency_key,
        fingerprint=terms.fingerprint,
        wait_seconds=wait,
        correlation_id=correlation_id,
    )
    return of_amend(result)


async def cancel(services: Services, call: Call) -> Answer:
    """Cancel one order."""
    call.query()
    result = await services.port.cancel(
        parameters.path_order_id(call),
        by=call.principal.user,
        correlation_id=call.correlation_id,
        wait_seconds=parameters.wait_seconds(call, services.settings.wait_seconds),
    )
    return answer(of_cancel(result), call, locate=False)


async def cancel_all(services: Services, call: Call) -> Answer:
    """Cancel every open order in scope."""
    query = call.query("exchange", "symbol", "side")
    cancelled = await services.port.cancel_all(
        exchange=parameters.exchange(query),
        symbol=parameters.symbol(query),
        side=parameters.choice(query, "side", "buy", "sell"),
        by=call.principal.user,
        correlation_id=call.correlation_id,
    )
    if isinstance(cancelled, Refused):
        raise ProblemError(refused(cancelled))
    return answer_json(CancelledAll(order_ids=tuple(cancelled)))


async def read(services: Services, call: Call) -> Answer:
    """One order as it is now."""
    call.query()
    order_id = parameters.path_order_id(call)
    order = await services.port.order(order_id)
    if order is None:
        raise parameters.no_such_order(order_id)
    return answer_json(order_body(order))


async def listed(services: Services, call: Call) -> Answer:
    """A page of orders, newest first."""
    query = call.query("status", "exchange", "symbol", "limit", "cursor")
    limit = parameters.page_size(query)
    wanted = OrderFilter(
        statuses=_statuses(query.get("status")),
        exchange=parameters.exchange(query),
        symbol=parameters.symbol(query),
        limit=limit + 1,
        before=parameters.read_cursor(query, UUID),
    )
    found = await services.port.orders(wanted)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    cursor = None if last is None else parameters.write_cursor(last.created_us, last.order_id)
    return answer_json(OrderPage(orders=[order_body(order) for order in page], next_cursor=cursor))


async def history(services: Services, call: Call) -> Answer:
    """What happened to one order, oldest first."""
    order_id = parameters.path_order_id(call)
    query = call.query("limit", "cursor")
    if await services.port.order(order_id) is None:
        raise parameters.no_such_order(order_id)
    place_in = parameters.read_cursor(query)
    after = 0 if place_in is None else place_in[0]
    return await event_page(services, after, parameters.page_size(query), order_id)


async def event_page(services: Services, after: int, limit: int, order_id: str | None) -> Answer:
    """A page of the journal, oldest first."""
    found = await services.port.events(after=after, limit=limit + 1, order_id=order_id)
    page = found[:limit]
    cursor = parameters.write_cursor(page[-1].seq) if len(found) > limit else None
    return answer_json(EventPage(events=[event_body(record) for record in page], next_cursor=cursor))


def answer(outcome: Outcome, call: Call, *, locate: bool) -> Answer:
    """The answer to a command about one order."""
    if outcome.order is None:
        if outcome.problem is None:
            raise ValueError("an outcome holds an order or a problem")
        call.subject = outcome.problem.order_id or ""
        return answer_problem(outcome.problem, call.correlation_id)
    call.subject = outcome.order.order_id
    headers: Headers = ()
    if outcome.status == 202 or (locate and outcome.status == 201):
        headers = ((b"location", b"/orders/" + outcome.order.order_id.encode()),)
    return answer_json(order_body(outcome.order), outcome.status, headers)


def _statuses(found: str | None) -> tuple[str, ...]:
    if not found:
        return ()
    wanted = tuple(found.split(","))
    if len(wanted) > len(STATUSES):
        raise invalid_field("?status", f"found {len(wanted)}; at most {len(STATUSES)} are taken")
    for status in wanted:
        if status not in STATUSES:
            raise invalid_field("?status", f"found {status[:40]!r}; there are: {', '.join(STATUSES)}")
    return wanted
