"""Which exchanges are offered and how ccxt is set up for each: one literal table.

An exchange without a row here can be used through ccxt's unified interface; it is marked untested, and
absence of an order can't be proven there.
"""

from collections.abc import Mapping
from typing import Final

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange and market type.

    `options` go into ccxt's options. `receive_window_ms` is how long the exchange accepts a signed request
    (None: it has no such window). `private_streams` are parts of the URLs of private streams. `switch` is the
    exchange's dead-man's switch: a `countdown` that is renewed, `disconnect` (it fires when the private
    streams are gone, and only where the exchange has enabled it for the account), or none.
    """

    ccxt_id: str
    family: str
    market_type: str
    receive_window_ms: int | None
    private_streams: tuple[str, ...]
    options: Mapping[str, object]
    switch: str = ""
    fills_with_answer: bool = False
    tested: bool = True


_WINDOW_MS: Final = 5000

_BINANCE: Final = Profile(
    ccxt_id="binance",
    family="binance",
    market_type="spot",
    receive_window_ms=_WINDOW_MS,
    private_streams=("ws-api",),
    fills_with_answer=True,
    options={
        "defaultType": "spot",
        "recvWindow": _WINDOW_MS,
        "fetchCurrencies": False,
        "fetchMargins": False,
        "fetchMarkets": {"types": ["spot"]},
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    },
)
_BINANCE_USDM: Final = Profile(
    ccxt_id="binanceusdm",
    family="binance",
    market_type="linear",
    receive_window_ms=_WINDOW_MS,
    private_streams=("listenKey=",),
    switch="countdown",
    options={
        "defaultType": "swap",
        "recvWindow": _WINDOW_MS,
        "fetchCurrencies": False,
        "fetchMargins": False,
        "fetchMarkets": {"types": ["linear"]},
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    },
)
_BYBIT: Final = Profile(
    ccxt_id="bybit",
    family="bybit",
    market_type="spot",
    receive_window_ms=_WINDOW_MS,
    private_streams=("/v5/private",),
    switch="disconnect",
    options={
        "defaultType": "spot",
        "recvWindow": _WINDOW_MS,
        "fetchCurrencies": False,
        "fetchMarkets": {"types": ["spot"]},
        "loadAllOptions": False,
    },
)
_BYBIT_LINEAR: Final = Profile(
    ccxt_id="bybit",
    family="bybit",
    market_type="linear",
    receive_window_ms=_WINDOW_MS,
    private_streams=("/v5/private",),
    switch="disconnect",
    options={
        "defaultType": "swap",
        "defaultSubType": "linear",
        "recvWindow": _WINDOW_MS,
        "fetchCurrencies": False,
        "fetchMarkets": {"types": ["linear"]},
        "loadAllOptions": False,
    },
)

PROFILES: Final[Mapping[tuple[str, str], Profile]] = {
    ("binance", "spot"): _BINANCE,
    ("binance", "linear"): _BINANCE_USDM,
    ("binanceusdm", "linear"): _BINANCE_USDM,
    ("bybit", "spot"): _BYBIT,
    ("bybit", "linear"): _BYBIT_LINEAR,
}

_ACCOUNT_TYPES: Final = {
    "": "",
    "spot": "spot",
    "linear": "linear",
    "usdm": "linear",
    "usd-m": "linear",
    "swap": "linear",
    "future": "linear",
    "futures": "linear",
    "perpetual": "linear",
}


class UnknownAccountType(ValueError):
    """An account type that no exchange here has; the message names those that there are."""


def profile_for(kind: str, account_type: str | None) -> Profile:
    """The profile of an exchange kind and account type; an untested one for a kind without a row.

    Without an account type an exchange is spot; `binanceusdm` is always linear. Raise UnknownAccountType.
    """
    wanted = _ACCOUNT_TYPES.get((account_type or "").strip().lower())
    if wanted is None:
        raise UnknownAccountType(
            f"account type {account_type!r} is not offered here: use spot, or swap for linear perpetuals"
        )
    market_type = "linear" if kind == "binanceusdm" else wanted or "spot"
    known = PROFILES.get((kind, market_type))
    if known is not None:
        return known
    return Profile(
        ccxt_id=kind,
        family="unified",
        market_type=market_type,
        receive_window_ms=None,
        private_streams=(),
        options={"defaultType": "swap" if market_type == "linear" else "spot"},
        tested=False,
    )
