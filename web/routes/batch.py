"""Many orders in one request: each is taken or refused on its own, all at the same time."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated

import msgspec
import trio
from msgspec import Meta

from actors.model.order import OrderIntent
from actors.model.results import Placement, PlaceResult
from web.asked import Asked, NewOrder, decoder, intent_of, refused
from web.call import Answer, Call, answer_json
from web.problems import Problem, ProblemError
from web.routes import parameters
from web.routes.outcomes import Outcome, of_place
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
    began = trio.current_time()
    dry_run = parameters.flag(call.query("dryRun"), "dryRun")
    key = parameters.idempotency_key(call)
    wait = parameters.wait_seconds(call, services.settings.wait_seconds)
    asked = _read_orders(call.body).orders
    outcomes: dict[int, Outcome] = {}
    placements: dict[int, Placement] = {}
    async with services.turn:
        for index, raw in enumerate(asked):
            try:
                intent = _intent(call, raw, index, key)
            except ProblemError as error:
                outcomes[index] = Outcome(error.problem.status, None, error.problem)
            else:
                placements[index] = Placement(
                    intent=intent, wait_seconds=wait, correlation_id=call.correlation_id, dry_run=dry_run
                )
    if key is not None:
        placements = _as_one_request(placements, asked, key)
    results = await _place(services, tuple(placements.values()))
    for index, result in zip(placements, results, strict=True):
        outcomes[index] = of_place(result, dry_run=dry_run)
        if not dry_run:
            services.metrics.placed(outcomes[index])
    services.metrics.order_latency.observe(trio.current_time() - began)
    return answer_json(BatchResult(results=[_item(outcomes[index]) for index in range(len(asked))]))


async def _place(services: Services, placements: Sequence[Placement]) -> list[PlaceResult]:
    found: dict[int, PlaceResult] = {}
    await services.port.place_all(placements, found.__setitem__)
    return [found[index] for index in range(len(placements))]


def _as_one_request(
    placements: Mapping[int, Placement], asked: Sequence[msgspec.Raw], key: str
) -> dict[int, Placement]:
    """The same orders, each of which says of what batch it is a part.

    A repeated batch is the same request, however it was written; with an order added, changed or left out
    it is another one.
    """
    parts = [
        placements[index].intent.fingerprint if index in placements else sha256(raw).hexdigest()
        for index, raw in enumerate(asked)
    ]
    whole = sha256(" ".join(parts).encode()).hexdigest()
    replace = msgspec.structs.replace
    return {
        index: replace(
            each,
            group=key,
            intent=replace(each.intent, fingerprint=f"{parts[index]}/{whole}"),
        )
        for index, each in placements.items()
    }


def _intent(call: Call, raw: msgspec.Raw, index: int, key: str | None) -> OrderIntent:
    return intent_of(
        _decode(raw, index),
        user=call.principal.user,
        token_id=call.principal.token_id,
        idempotency_key=None if key is None else item_key(key, index),
        pointer=f"#/orders/{index}",
    )


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
