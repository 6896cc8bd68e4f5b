"""Many orders in one request: each is taken or refused on its own, all at the same time."""

from functools import partial
from hashlib import sha256
from typing import Annotated

import msgspec
import trio
from msgspec import Meta

from web.asked import Asked, NewOrder, decoder, intent_of, refused
from web.call import Answer, Call, answer_json
from web.problems import Problem, ProblemError
from web.routes import parameters
from web.routes.orders import place_one
from web.routes.outcomes import Outcome
from web.services import Services
from web.wire import OrderBody, Wire, order_body

MAX_ORDERS = 50


class NewOrders(Asked, frozen=True, kw_only=True):
    """The orders, each still unread: one that is malformed must not spoil the others."""

    orders: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_ORDERS)]


class BatchItem(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one order."""

    status: int
    order: OrderBody | None = None
    problem: Problem | None = None


class BatchResult(Wire, frozen=True, kw_only=True):
    """One result an item, in the order of the request."""

    results: list[BatchItem]


_read_orders = decoder(NewOrders)
_read_order = msgspec.json.Decoder(NewOrder).decode


async def place_all(services: Services, call: Call) -> Answer:
    """Place each order of the batch; the answer waits for all."""
    dry_run = parameters.flag(call.query("dryRun"), "dryRun")
    key = parameters.idempotency_key(call)
    wait = parameters.wait_seconds(call, services.settings.wait_seconds)
    asked = _read_orders(call.body).orders
    outcomes: list[Outcome | None] = [None] * len(asked)

    async def place(index: int, raw: msgspec.Raw) -> None:
        try:
            intent = intent_of(
                _decode(raw, index),
                user=call.principal.user,
                token_id=call.principal.token_id,
                idempotency_key=None if key is None else item_key(key, index),
                pointer=f"#/orders/{index}",
            )
        except ProblemError as error:
            outcomes[index] = Outcome(error.problem.status, None, error.problem)
            return
        outcomes[index] = await place_one(services, intent, wait, call.correlation_id, dry_run=dry_run)

    async with trio.open_nursery() as nursery:
        for index, raw in enumerate(asked):
            nursery.start_soon(partial(place, index, raw))
    return answer_json(BatchResult(results=[_item(outcome) for outcome in outcomes if outcome is not None]))


def item_key(key: str, index: int) -> str:
    """The idempotency key of one order of a batch: short whatever the batch's key is, and the same each
    time.
    """
    return f"batch-{sha256(key.encode()).hexdigest()[:32]}-{index}"


def _decode(raw: msgspec.Raw, index: int) -> NewOrder:
    try:
        return _read_order(raw)
    except msgspec.ValidationError as error:
        raise refused(error, f"#/orders/{index}") from None


def _item(outcome: Outcome) -> BatchItem:
    order = None if outcome.order is None else order_body(outcome.order)
    return BatchItem(status=outcome.status, order=order, problem=outcome.problem)
