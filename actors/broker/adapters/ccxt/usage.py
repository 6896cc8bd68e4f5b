"""What an exchange's headers say of our use of its limits, and what each call costs there. Pure.

Costs are request weights as the exchanges document them; a call that may need several requests states the
usual sum. Budget names: `weight` (Binance, per address), `requests` (Bybit, per address), `orders` (per
account; Bybit tells it with each order), `orders_1m` (Binance's futures, beside the ten seconds of `orders`),
`endpoint` (Bybit, per account and any other endpoint).
"""

import re
from collections.abc import Mapping
from typing import Final

from actors.broker.port import Usage

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PLAIN: Final = {"used-weight-1m": "weight", "order-count-10s": "orders"}
"""Binance counts orders by several windows at once; each is a budget of its own, and only one is `orders`."""
_MBX = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,4})([smhd])")

_CREATES = re.compile(r"/v5/order/create($|\?)")

COSTS: Final[Mapping[tuple[str, str], Mapping[str, Mapping[str, int]]]] = {
    ("binance", "spot"): {
        "connect": {"weight": 20},
        "instruments": {"weight": 0},
        "submit": {"weight": 1, "orders": 1},
        "cancel": {"weight": 1},
        "order": {"weight": 4},
        "open_orders": {"weight": 80},
        "open_orders_symbol": {"weight": 6},
        "fills_since": {"weight": 20},
        "fills_since_page": {"weight": 20},
        "balances": {"weight": 20},
        "statement_since": {"weight": 30},
        "positions": {"weight": 0},
        "server_time_us": {"weight": 1},
    },
    ("binance", "linear"): {
        "connect": {"weight": 1},
        "instruments": {"weight": 0},
        "submit": {"weight": 1, "orders": 1, "orders_1m": 1},
        "amend": {"weight": 1, "orders": 1, "orders_1m": 1},
        "cancel": {"weight": 1},
        "order": {"weight": 1},
        "open_orders": {"weight": 40},
        "open_orders_symbol": {"weight": 1},
        "fills_since": {"weight": 5},
        "fills_since_page": {"weight": 5},
        "balances": {"weight": 5},
        "statement_since": {"weight": 30},
        "positions": {"weight": 5},
        "server_time_us": {"weight": 1},
    },
}
"""Units by budget for the methods of the port; a family without a row costs one request a call."""

LIMITS: Final[Mapping[tuple[str, str], tuple[tuple[str, int, float], ...]]] = {
    ("binance", "spot"): (("weight", 6000, 60.0), ("orders", 100, 10.0)),
    ("binance", "linear"): (("weight", 2400, 60.0), ("orders", 300, 10.0), ("orders_1m", 1200, 60.0)),
    ("bybit", "spot"): (("requests", 600, 5.0), ("orders", 20, 1.0)),
    ("bybit", "linear"): (("requests", 600, 5.0), ("orders", 10, 1.0)),
}
"""Name, units and window in seconds of each budget that the exchange documents for an ordinary account."""

BY_ADDRESS: Final = frozenset({"weight", "requests"})
"""The budgets that are counted by address; the others are each account's own."""


def cost_of(family: str, market_type: str, call: str) -> Mapping[str, int]:
    """What one call of a port method costs."""
    row = COSTS.get((family, market_type))
    if row is not None:
        return row.get(call, {"weight": 1})
    return {"requests": 1, "orders": 1} if call == "submit" else {"requests": 1}


def usage_in(headers: Mapping[str, str], url: str = "") -> list[Usage]:
    """The counts that one answer's headers tell. Bybit's are those of the endpoint that was called."""
    lower = {name.lower(): value for name, value in headers.items()}
    found: list[Usage] = []
    for name, value in lower.items():
        match = _MBX.fullmatch(name)
        if match is not None and value.isdecimal():
            window = int(match.group(2)) * _UNITS[match.group(3)]
            kind = "weight" if match.group(1) == "used-weight" else "orders"
            counted = name.removeprefix("x-mbx-")
            budget = _PLAIN.get(counted, f"{kind}_{match.group(2)}{match.group(3)}")
            found.append(Usage(budget=budget, used=int(value), window_seconds=window))
    limit, left = lower.get("x-bapi-limit", ""), lower.get("x-bapi-limit-status", "")
    if limit.isdecimal() and left.isdecimal():
        budget = "orders" if _CREATES.search(url) else "endpoint"
        found.append(Usage(budget=budget, used=int(limit) - int(left), limit=int(limit), window_seconds=1.0))
    return found
