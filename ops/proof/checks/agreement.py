"""I3 and I4: fills once, positions as the exchange has them, tables as the journal says."""

from decimal import Decimal

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Held, Story
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
        told = (Decimal(body["quantity"]), Decimal(body["price"]), Decimal(body["fee"]), tale.venue_id)
        if books.get(key) != told:
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
        for listed in venue.listed.values():
            tale = story.by_venue_id.get(listed.venue_id)
            if tale is None:
                continue
            if (listed.status == "open") != (tale.end == "") or listed.executed != tale.executed:
                found.append(
                    Violation(
                        "live",
                        f"{venue.name} has {tale.order_id} as {listed.status}, {listed.executed} executed,"
                        f" the journal as {tale.end or 'open'} with {tale.executed}",
                    )
                )
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
