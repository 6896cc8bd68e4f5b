"""Which adapter an exchange of the settings gets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from actors.broker.adapters import dummy, simulated
from actors.broker.adapters.simulated.ledger import SimLedger
from actors.broker.limiter import Budget, Egress, Limiter
from actors.broker.port import DeadMansSwitch, ExchangePort
from actors.broker.timings import BrokerTimings
from actors.model.clock import Clock
from supervisors.deadman.line import SOCKET, WatchdogSwitch


class ExchangeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange account: its name here, its kind (`sim`, `dummy`, `ccxt`), and the exchange's name for
    ccxt.

    `redirect` is a local address and port that every name of the exchange leads to, with the file of the
    authority that alone is trusted there.
    """

    name: str
    kind: str
    venue: str
    api_key: str = ""
    api_secret: str = ""
    account_type: str | None = None
    leverage: Decimal | None = None
    margin_mode: str | None = None
    pins: tuple[str, ...] = ()
    shadow: bool = False
    balance_drift: str = "halt"
    redirect: tuple[str, int, str] | None = None
    dead_man_seconds: float | None = None
    dead_man: str | None = None
    watchdog_key: str = ""
    watchdog_secret: str = ""


class SimulationChoice(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulated exchange behaves; the market file prices `symbol`, everything else is synthetic."""

    market_file: Path | None = None
    symbol: str = "BTC/USDT"
    speed: float = 1.0
    latency_seconds: float = 0.0
    seed: int = 0


class BadExchange(ValueError):
    """An exchange account that can't be traded as configured: which one, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why


def check_exchanges(choices: Sequence[ExchangeChoice]) -> None:
    """Raise BadExchange for the first account that no adapter can be made for."""
    for choice in choices:
        if choice.kind != "ccxt":
            continue
        from actors.broker.adapters.ccxt.loading import NoSuchExchange, require
        from actors.broker.adapters.ccxt.profiles import UnknownAccountType, profile_for
        from actors.broker.adapters.ccxt.session import BadPins, checked_pins

        try:
            profile = profile_for(choice.venue, choice.account_type)
            require(profile.ccxt_id)
            checked_pins(choice.pins)
        except (UnknownAccountType, NoSuchExchange, BadPins) as error:
            raise BadExchange(choice.name, str(error)) from error
        if choice.dead_man == "exchange" and not profile.switch:
            raise BadExchange(choice.name, "the exchange has no dead-man's switch of its own: use watchdog")


def is_untested(choice: ExchangeChoice) -> bool:
    """Whether the account is at an exchange that is reached through ccxt's unified interface only."""
    if choice.kind != "ccxt":
        return False
    from actors.broker.adapters.ccxt.profiles import profile_for

    return not profile_for(choice.venue, choice.account_type).tested


def guarded_by_watchdog(choice: ExchangeChoice) -> bool:
    """Whether the account wants a dead-man's switch, and ours: the exchange has none that anybody may use."""
    if choice.kind != "ccxt" or choice.shadow or choice.dead_man_seconds is None:
        return False
    from actors.broker.adapters.ccxt.profiles import profile_for

    own = profile_for(choice.venue, choice.account_type).switch == "countdown"
    return (choice.dead_man or ("exchange" if own else "watchdog")) == "watchdog"


def build_switches(choices: Sequence[ExchangeChoice], folder: Path) -> dict[str, DeadMansSwitch]:
    """The switches that are not the exchanges' own."""
    return {
        choice.name: WatchdogSwitch(folder / SOCKET, choice.name)
        for choice in choices
        if guarded_by_watchdog(choice)
    }


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
    """How fast each account may be called. Accounts at one exchange share what it allows their address, and
    its bans.
    """
    egresses: dict[str, Egress] = {}
    limiters: dict[str, Limiter] = {}
    for choice in choices:
        if choice.kind != "ccxt":
            continue
        from actors.broker.adapters.ccxt.build import budgets, place_of

        specs = budgets(choice.venue, choice.account_type)
        place = place_of(choice.venue, choice.account_type)
        if place not in egresses:
            egresses[place] = Egress([Budget(spec) for spec in specs if spec.by_address])
        own = [Budget(spec) for spec in specs if not spec.by_address]
        limiters[choice.name] = Limiter(own, egress=egresses[place])
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
    real = real_exchange(choice, clock, instance)
    if not choice.shadow:
        return real
    from actors.broker.adapters.ccxt.shadow import ShadowExchange

    return ShadowExchange(choice.name, real, clock, symbols, ledgers[choice.name])


def real_exchange(
    choice: ExchangeChoice, clock: Clock, instance: str, *, for_watchdog: bool = False
) -> ExchangePort:
    """The adapter to a real exchange; orders there whose id begins with `instance` are ours.

    The watchdog has a key of its own if there is one.
    """
    # Loading ccxt costs a second and a hundred megabytes: only who trades through it pays.
    from actors.broker.adapters.ccxt.build import build
    from actors.broker.adapters.ccxt.dialect import AccountWish
    from actors.broker.adapters.ccxt.session import Redirect

    redirect = None
    if choice.redirect is not None:
        host, port, ca_file = choice.redirect
        redirect = Redirect(host=host, port=port, ca_file=ca_file)
    return build(
        choice.name,
        choice.venue,
        api_key=(choice.watchdog_key if for_watchdog else "") or choice.api_key,
        api_secret=(choice.watchdog_secret if for_watchdog else "") or choice.api_secret,
        account_type=choice.account_type,
        clock=clock,
        redirect=redirect,
        use_switch=choice.dead_man_seconds is not None and not guarded_by_watchdog(choice),
        pins=choice.pins,
        wish=AccountWish(leverage=choice.leverage, margin_mode=choice.margin_mode),
        ours=lambda venue_id: venue_id.startswith(instance),
    )


def build_timings(choices: Sequence[ExchangeChoice]) -> dict[str, BrokerTimings]:
    """The schedule of each broker whose account asks for one of its own."""
    return {
        choice.name: BrokerTimings(
            balance_drift=choice.balance_drift,
            dead_man_seconds=None if choice.shadow else choice.dead_man_seconds,
        )
        for choice in choices
        if choice.kind == "ccxt"
    }
