"""One exchange adapter from plain settings; the only entrance for the composition root."""

import re
from collections.abc import Callable
from decimal import ROUND_UP, Decimal

from actors.broker.adapters.ccxt.adapter import CcxtExchange
from actors.broker.adapters.ccxt.binance import Binance
from actors.broker.adapters.ccxt.bybit import Bybit
from actors.broker.adapters.ccxt.client import CcxtClient
from actors.broker.adapters.ccxt.dialect import AccountWish, Dialect
from actors.broker.adapters.ccxt.profiles import Profile, profile_for
from actors.broker.adapters.ccxt.session import Redirect
from actors.broker.adapters.ccxt.unified import UnifiedExchange
from actors.broker.adapters.ccxt.usage import BY_ADDRESS, LIMITS
from actors.broker.limiter import BudgetSpec
from actors.broker.port import ExchangePort
from actors.model.clock import Clock

_OUR_IDS = re.compile(r"(?!autoclose)[a-z0-9]{1,24}-[a-z0-9]{1,12}")


def looks_like_ours(client_order_id: str) -> bool:
    """Whether a client order id has the form of a process's venue ids: `<instance><incarnation>-<counter>`.

    The exchanges' own (`web_…`, `ios_…`, `autoclose-…`, random capitals) don't. Give `build` a stricter test
    where the instance is known.
    """
    return _OUR_IDS.fullmatch(client_order_id) is not None


def budgets(kind: str, account_type: str | None) -> tuple[BudgetSpec, ...]:
    """What the exchange allows an ordinary account, for the broker's limiter; none for an untested
    exchange.
    """
    profile = profile_for(kind, account_type)
    limits = LIMITS.get((profile.family, profile.market_type), ())
    return tuple(
        BudgetSpec(
            name=name,
            limit=limit,
            window_seconds=window,
            by_address=name in BY_ADDRESS,
            rolling=profile.family == "bybit",
        )
        for name, limit, window in limits
    )


def place_of(kind: str, account_type: str | None) -> str:
    """Where what comes from one address counts together, bans included: Binance's futures are a place of
    their own, Bybit's markets are one.
    """
    return profile_for(kind, account_type).ccxt_id


def build(
    name: str,
    kind: str,
    *,
    api_key: str,
    api_secret: str,
    account_type: str | None,
    clock: Clock,
    redirect: Redirect | None = None,
    pins: tuple[str, ...] = (),
    ours: Callable[[str], bool] = looks_like_ours,
    initial_margin: Decimal | None = None,
    wish: AccountWish = AccountWish(),  # noqa: B008 - frozen
    timeout_seconds: float = 10.0,
    use_switch: bool = False,
) -> ExchangePort:
    """An adapter that is not connected yet.

    `name` is what the exchange is called here, `kind` what ccxt calls it. `wish` is how the account shall be
    set up; `initial_margin` the share of the notional that a futures order must have covered (None: one part
    in the wished leverage, without a wish the whole; spot is always fully funded). `use_switch`: hold the
    exchange's own dead-man's switch also where it has to be enabled first. Raise UnknownAccountType, BadPins.
    """
    profile = profile_for(kind, account_type)
    client = CcxtClient(
        profile,
        api_key=api_key,
        api_secret=api_secret,
        clock=clock,
        redirect=redirect,
        pins=pins,
        timeout_seconds=timeout_seconds,
    )
    margin = initial_margin or share_of(wish.leverage)
    if profile.family == "unified":
        return UnifiedExchange(name, profile, client, clock, ours=ours, initial_margin=margin)
    return CcxtExchange(
        name,
        profile,
        _dialect(profile),
        client,
        clock,
        ours=ours,
        initial_margin=margin,
        wish=wish,
        use_switch=use_switch,
    )


def share_of(leverage: Decimal | None) -> Decimal:
    """What must be covered of a notional at this leverage, rounded up to twelve places."""
    if leverage is None:
        return Decimal(1)
    return (1 / leverage).quantize(Decimal("1e-12"), rounding=ROUND_UP)


def _dialect(profile: Profile) -> Dialect:
    if profile.family == "binance":
        return Binance(profile.market_type)
    return Bybit(profile.market_type)
