"""Every control between an order and the exchange, as one table that is evaluated from top to bottom.

A row is one control: the code that a denial carries, what it guards, the limits that set it, what it needs to
know, and the function that judges an order. The first row that objects decides. Where a limit is None its row
is skipped. At the limit an order passes, beyond it is denied. What can't be known is denied: a missing price
is never a zero.

The trading state stands in the table twice. A person's kill speaks before everything else. A state that came
about by itself speaks last, so that an order beyond a limit is told of the limit and not only of what the
breach led to.

An order that can only shrink a position (`Case.shrinks`) passes the rules about losses, margin and old
prices, and by its direction those about exposure: no control may lock a person into a position.
"""

import msgspec

from actors.risk.checks import cover, exposure, order, pace, price, trading
from actors.risk.checks.breach import Breach, Check
from actors.risk.limits import RiskLimits

__all__ = ["RULES", "Breach", "Rule", "active"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `limits` are names of `RiskLimits`; `switch` is the one that turns the row on, None: always
    on. `amends` says which amends are held to it: `always`, only those `raising` what is bound, or `never`.
    """

    name: str
    code: str
    scope: str
    check: Check
    limits: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    switch: str | None = None
    amends: str = "always"

    def is_on(self, limits: RiskLimits) -> bool:
        """Whether the row is evaluated under these limits."""
        return self.switch is None or getattr(limits, self.switch) not in (None, False)


RULES: tuple[Rule, ...] = (
    Rule(name="numbers", code="INVALID_LOT", scope="order", check=order.sane),
    Rule(
        name="whitelist",
        code="SYMBOL_NOT_ALLOWED",
        scope="symbol",
        check=trading.whitelist,
        limits=("symbol_whitelist",),
        amends="raising",
    ),
    Rule(name="kill switch", code="TRADING_HALTED", scope="account", check=trading.killed, needs=("gate",)),
    Rule(
        name="exchange state",
        code="EXCHANGE_RECONCILING",
        scope="exchange",
        check=trading.exchange,
        needs=("broker",),
    ),
    Rule(name="circuit", code="CIRCUIT_OPEN", scope="exchange", check=trading.circuit, needs=("broker",)),
    Rule(
        name="order type",
        code="ORDER_TYPE_UNSUPPORTED",
        scope="exchange",
        check=trading.order_type,
        needs=("broker",),
        amends="never",
    ),
    Rule(
        name="listing", code="SYMBOL_NOT_ALLOWED", scope="symbol", check=trading.listed, needs=("instrument",)
    ),
    Rule(name="tick and lot", code="INVALID_TICK", scope="order", check=order.filters, needs=("instrument",)),
    Rule(
        name="fresh price",
        code="STALE_PRICE",
        scope="symbol",
        check=price.fresh,
        limits=("max_price_age_seconds", "reduce_on_stale_price"),
        needs=("mark",),
    ),
    Rule(
        name="clock skew",
        code="CLOCK_SKEW",
        scope="exchange",
        check=price.skew,
        limits=("max_clock_skew_seconds",),
        needs=("exchange clock",),
        switch="max_clock_skew_seconds",
    ),
    Rule(
        name="stop side",
        code="STOP_WOULD_TRIGGER",
        scope="order",
        check=price.stop_side,
        needs=("mark",),
        amends="never",
    ),
    Rule(
        name="price collar",
        code="PRICE_COLLAR",
        scope="order",
        check=price.collar,
        limits=("price_collar",),
        needs=("mark",),
        switch="price_collar",
    ),
    Rule(
        name="post-only",
        code="POST_ONLY",
        scope="order",
        check=price.post_only,
        limits=("post_only_check",),
        needs=("quote",),
        switch="post_only_check",
    ),
    Rule(
        name="least value",
        code="MIN_NOTIONAL",
        scope="order",
        check=order.min_notional,
        needs=("instrument", "mark"),
    ),
    Rule(
        name="order value",
        code="ORDER_SIZE",
        scope="order",
        check=order.order_value,
        limits=("max_order_usd",),
        needs=("mark",),
        switch="max_order_usd",
        amends="raising",
    ),
    Rule(
        name="order quantity",
        code="ORDER_SIZE",
        scope="order",
        check=order.order_quantity,
        limits=("max_order_quantity",),
        switch="max_order_quantity",
        amends="raising",
    ),
    Rule(
        name="message rate",
        code="MESSAGE_RATE",
        scope="account",
        check=pace.messages,
        limits=("max_messages", "message_window_seconds"),
        needs=("counters",),
        switch="max_messages",
    ),
    Rule(
        name="repeated execution",
        code="REPEATED_EXECUTION",
        scope="symbol",
        check=pace.repeated,
        limits=("max_repeated_executions", "repeated_window_seconds"),
        needs=("counters",),
        switch="max_repeated_executions",
        amends="raising",
    ),
    Rule(
        name="duplicate order",
        code="DUPLICATE_ORDER",
        scope="account",
        check=pace.duplicate,
        limits=("duplicate_seconds",),
        needs=("counters",),
        switch="duplicate_seconds",
        amends="never",
    ),
    Rule(
        name="self-match",
        code="SELF_MATCH",
        scope="symbol",
        check=pace.self_match,
        limits=("self_match_prevention",),
        needs=("working orders",),
        switch="self_match_prevention",
    ),
    Rule(
        name="open orders",
        code="OPEN_ORDERS",
        scope="account",
        check=pace.open_orders,
        limits=("max_open_orders",),
        needs=("working orders",),
        switch="max_open_orders",
        amends="never",
    ),
    Rule(
        name="open orders of a symbol",
        code="OPEN_ORDERS",
        scope="symbol",
        check=pace.open_orders_of_symbol,
        limits=("max_open_orders_per_symbol",),
        needs=("working orders",),
        switch="max_open_orders_per_symbol",
        amends="never",
    ),
    Rule(
        name="reduce-only",
        code="REDUCE_ONLY",
        scope="symbol",
        check=exposure.reduce_only,
        needs=("position",),
        amends="raising",
    ),
    Rule(
        name="position",
        code="MAX_POSITION",
        scope="symbol",
        check=exposure.max_position,
        limits=("max_pos_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_pos_usd",
        amends="raising",
    ),
    Rule(
        name="long position",
        code="MAX_LONG",
        scope="symbol",
        check=exposure.max_long,
        limits=("max_long_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_long_usd",
        amends="raising",
    ),
    Rule(
        name="short position",
        code="MAX_SHORT",
        scope="symbol",
        check=exposure.max_short,
        limits=("max_short_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_short_usd",
        amends="raising",
    ),
    Rule(
        name="exchange exposure",
        code="MAX_EXCHANGE_EXPOSURE",
        scope="exchange",
        check=exposure.max_exchange,
        limits=("max_exchange_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_exchange_usd",
        amends="raising",
    ),
    Rule(
        name="gross exposure",
        code="MAX_GROSS_EXPOSURE",
        scope="account",
        check=exposure.max_gross,
        limits=("max_gross_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_gross_usd",
        amends="raising",
    ),
    Rule(
        name="net exposure",
        code="MAX_NET_EXPOSURE",
        scope="account",
        check=exposure.max_net,
        limits=("max_net_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_net_usd",
        amends="raising",
    ),
    Rule(
        name="daily loss",
        code="MAX_DAILY_LOSS",
        scope="account",
        check=cover.daily_loss,
        limits=("max_daily_loss_usd", "flatten_on_daily_loss"),
        needs=("position", "mark", "day"),
        switch="max_daily_loss_usd",
        amends="raising",
    ),
    Rule(
        name="drawdown",
        code="MAX_DRAWDOWN",
        scope="account",
        check=cover.drawdown,
        limits=("max_drawdown_usd",),
        needs=("position", "mark", "day"),
        switch="max_drawdown_usd",
        amends="raising",
    ),
    Rule(
        name="margin",
        code="INSUFFICIENT_MARGIN",
        scope="exchange",
        check=cover.margin,
        limits=("margin",),
        needs=("balance", "position", "working orders", "mark"),
        switch="margin",
        amends="raising",
    ),
    Rule(
        name="trading state",
        code="TRADING_REDUCING",
        scope="symbol",
        check=trading.restricted,
        limits=("resume_within_limits", "max_seconds_without_stop", "flatten_without_stop"),
        needs=("gate",),
    ),
)


def active(limits: RiskLimits, amends: tuple[str, ...] = ("always", "raising", "never")) -> tuple[Check, ...]:
    """The checks that these limits turn on, in order; for an amend those that it is held to."""
    return tuple(rule.check for rule in RULES if rule.amends in amends and rule.is_on(limits))
