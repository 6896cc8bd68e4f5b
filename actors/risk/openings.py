"""What begins: a day, an exchange account, a new highest result.

Each function moves the state at once and gives the events that tell the journal so, under the id of their
append.
"""

from collections.abc import Iterator

import msgspec

from actors.model.events import AccountOpened, AnyEvent, DayOpened
from actors.model.money import EXACT
from actors.risk.state import Day, RiskState

OWN = "risk/"
"""How the ids of appends begin that are not about an order."""

Opening = tuple[str, tuple[AnyEvent, ...]]


def day_opening(state: RiskState, now_us: int) -> Iterator[Opening]:
    """The day that is due, if it can be opened: the prices of what is held have to be known."""
    day = state.next_day(now_us)
    if day is not None:
        state.open_day(day)
        yield f"{OWN}day/{day.name}", (_day_opened(day),)


def account_openings(state: RiskState, now_us: int) -> Iterator[Opening]:
    """What an exchange account holds when it is first seen; the day's equity moves by as much.

    Fills may have moved cash of an account whose balances nobody has told yet: that opens none.
    """
    for exchange, broker in state.brokers.items():
        if broker.state != "trading" or not broker.balances or exchange in state.opened:
            continue
        state.opened[exchange] = None
        before = state.valuation.equity()
        for asset, amount in broker.balances:
            state.valuation.set_cash(exchange, asset, amount)
        events: tuple[AnyEvent, ...] = (AccountOpened(exchange=exchange, balances=broker.balances),)
        if state.day.name:
            gained = EXACT.subtract(state.valuation.equity(), before)
            day = msgspec.structs.replace(state.day, equity=EXACT.add(state.day.equity, gained))
            state.open_day(day)
            events = (*events, _day_opened(day))
        yield f"{OWN}account/{exchange}", events
    if state.valuation.cash and state.day_due(now_us):
        yield from day_opening(state, now_us)


def peak_opening(state: RiskState) -> Iterator[Opening]:
    """The highest result, when it has grown by a hundredth of what it may fall; a restart must know it."""
    limit = state.limits.max_drawdown_usd
    if limit is not None and state.day.name and (state.peak - state.day.peak) * 100 > limit:
        state.open_day(msgspec.structs.replace(state.day, peak=state.peak))
        yield f"{OWN}peak", (_day_opened(state.day),)


def _day_opened(day: Day) -> DayOpened:
    return DayOpened(
        day=day.name,
        equity=day.equity,
        result=day.result,
        fees=tuple(sorted(day.fees.items())),
        net=day.net,
        peak=day.peak,
    )
