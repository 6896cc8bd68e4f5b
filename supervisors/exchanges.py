"""Which adapter an exchange of the settings gets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from actors.broker.adapters import dummy, simulated
from actors.broker.adapters.simulated.ledger import SimLedger
from actors.broker.limiter import Budget, Egress, Limiter
from actors.broker.port import ExchangePort
from actors.model.clock import Clock


class ExchangeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange account: its name here, its kind (`sim`, `dummy`, `ccxt`), and the exchange's name for
    ccxt.
    """

    name: str
    kind: str
    venue: str
    api_key: str = ""
    api_secret: str = ""
    account_type: str | None = None


class SimulationChoice(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulated exchange behaves; the market file prices `symbol`, everything else is synthetic."""

    market_file: Path | None = None
    symbol: str = "BTC/USDT"
    speed: float = 1.0
    latency_seconds: float = 0.0
    seed: int = 0


def build_exchanges(
    choices: Sequence[ExchangeChoice],
    *,
    clock: Clock,
    symbols: Sequence[str],
    simulation: SimulationChoice,
    ledgers: Mapping[str, SimLedger],
    instance: str,
) -> dict[str, ExchangePort]:
    """The adapters by name, in the order of the settings; none is connected yet.

    Orders at a real exchange whose id begins with `instance` are ours.
    """
    return {choice.name: _build(choice, clock, symbols, simulation, ledgers, instance) for choice in choices}


def build_limiters(choices: Sequence[ExchangeChoice]) -> dict[str, Limiter]:
    """How fast each account may be called. Accounts at one exchange share what it allows, and its bans."""
    egresses: dict[tuple[str, str | None], Egress] = {}
    limiters: dict[str, Limiter] = {}
    for choice in choices:
        if choice.kind != "ccxt":
            continue
        from actors.broker.adapters.ccxt.build import budgets

        place = (choice.venue, choice.account_type)
        if place not in egresses:
            egresses[place] = Egress([Budget(spec) for spec in budgets(*place)])
        limiters[choice.name] = Limiter(egress=egresses[place])
    return limiters


def _build(
    choice: ExchangeChoice,
    clock: Clock,
    symbols: Sequence[str],
    simulation: SimulationChoice,
    ledgers: Mapping[str, SimLedger],
    instance: str,
) -> ExchangePort:
    if choice.kind == "dummy":
        return dummy.build(choice.name, clock=clock, symbols=symbols)
    if choice.kind == "sim":
        return simulated.build(
            choice.name,
            clock=clock,
            ledger=ledgers[choice.name],
            symbols=symbols,
            market_file=simulation.market_file,
            market_symbol=simulation.symbol,
            speed=simulation.speed,
            latency_seconds=simulation.latency_seconds,
            seed=simulation.seed,
        )
    # Loading ccxt costs a second and a hundred megabytes: only who trades through it pays.
    from actors.broker.adapters.ccxt.build import build

    return build(
        choice.name,
        choice.venue,
        api_key=choice.api_key,
        api_secret=choice.api_secret,
        account_type=choice.account_type,
        clock=clock,
        ours=lambda venue_id: venue_id.startswith(instance),
    )
