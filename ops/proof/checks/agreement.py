"""I3 and I4: fills once, positions as the exchange has them, tables as the journal says."""

from decimal import Decimal

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Held, Story
from ops.proof.venue import SimVenue
from ops.proof.wire import is_foreign
from ops.proof.world import World


def agreement(world: World, story: Story) -> list[Violation]:
    """What holds at any moment: nothing twice, nothing invented, tables as told."""
    found = []
    for key, fills in story.trades.items():
        if len(fills) > 1:
            found.append(Violation("I3", f"fill {key} is applied {len(fills)} times"))
    found.extend(_invented(world, story))
    for place, position in world.disk.positions.items():
        held = story.held.get(place, Held())
        have = (position.quantity, position.cost, position.realized_pnl)
        if have != (held.quantity, held.cost, held.earned):
            found.append(Violation("I4", f"the table has {place} at {have}, the journal tells {held}"))
    for order_id, order in world.disk.orders.items():
        tale = story.orders.get(order_id)
        if tale is None or tale.executed != order.executed or bool(tale.end) == order.is_open:
            found.append(
                Violation("I4", f"the table has order {order_id} as {order.status}, not the journal")
            )
    return found


def _invented(world: World, story: Story) -> list[Violation]:
    books: dict[tuple[str, str, str, str], tuple[Decimal, Decimal, Decimal, str]] = {}
    for venue in world.venues.values():
        for item in venue.traded:
            fill = item.fill
            key = (venue.name, fill.symbol, fill.exchange_order_id, fill.trade_id)
            books[key] = (fill.quantity, fill.price, fill.fee, item.venue_id)
    found = []
    for key, fills in story.trades.items():
        body = fills[0]
        tale = story.orders[body["order_id"]]
        told = (Decimal(body["quantity"]), Decimal(body["price"]), Decimal(body["fee"]))
        known = books.get(key)
        if known is None or known[:3] != told or known[3] not in tale.venue_ids:
            found.append(
                Violation("I3", f"the journal has fill {key} as {told}, the exchange {books.get(key)}")
            )
    return found


def live_agreement(world: World, story: Story) -> list[Violation]:
    """What must hold once everything has settled: the journal knows all that the exchange did."""
    found: list[Violation] = []
    for venue in world.venues.values():
        for item in venue.traded:
            fill = item.fill
            key = (venue.name, fill.symbol, fill.exchange_order_id, fill.trade_id)
            if (
                not is_foreign(item.venue_id)
                and item.venue_id in story.by_venue_id
                and key not in story.trades
            ):
                found.append(Violation("I3", f"fill {key} of {item.venue_id} never reached the journal"))
        found.extend(_live_orders(venue, story))
        for symbol in venue.symbols:
            held = story.held.get((venue.name, symbol), Held())
            base = symbol.partition("/")[0]
            total = venue.total(base)
            if venue.name in world.plan.no_positions:
                # A spot account's holdings from before are balances; they are no position of ours.
                total -= venue.opening.get(base, Decimal(0))
            if held.quantity != total:
                found.append(
                    Violation("I4", f"{venue.name} holds {total} of {symbol}, the journal {held.quantity}")
                )
    return found


def _live_orders(venue: SimVenue, story: Story) -> list[Violation]:
    """Each order of the journal is what it is at the exchange: open under its newest id, or not at all."""
    found = []
    executed: dict[str, Decimal] = {}
    for listed in venue.listed.values():
        tale = story.by_venue_id.get(listed.venue_id)
        if tale is None:
            continue
        executed[tale.order_id] = executed.get(tale.order_id, Decimal(0)) + listed.executed
        newest = listed.venue_id == tale.venue_id
        if (listed.status == "open") != (newest and tale.end == ""):
            found.append(
                Violation(
                    "live",
                    f"{venue.name} has {tale.order_id} as {listed.status} under {listed.venue_id},"
                    f" the journal as {tale.end or 'open'} under {tale.venue_id}",
                )
            )
        elif (
            newest
            and not tale.end
            and tale.pending is None
            and listed.quantity - listed.executed != tale.remaining
        ):
            left = listed.quantity - listed.executed
            found.append(
                Violation(
                    "live", f"{left} of {tale.order_id} are left at {venue.name}, here {tale.remaining}"
                )
            )
    for order_id, quantity in executed.items():
        tale = story.orders[order_id]
        if tale.executed != quantity:
            found.append(
                Violation(
                    "live", f"{venue.name} executed {quantity} of {order_id}, the journal {tale.executed}"
                )
            )
    return found
