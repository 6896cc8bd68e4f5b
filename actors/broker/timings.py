"""How long the broker waits for what. Seconds throughout; the defaults suit the big exchanges."""

import msgspec


class BrokerTimings(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule of a broker. Nothing is concluded about an order younger than `inflight_threshold`."""

    replace_within: float = 2.0
    """A replacement leaves within this time after the end of what it replaces is journaled, or never."""
    sent_after: float = 0.25
    """A submit without an answer for this long is journaled as sent."""
    submit: float = 10.0
    """No answer to a submit or cancel by then: unresolved."""
    query: float = 10.0
    """No answer to a question by then: asked again later."""
    inflight_every: float = 2.0
    inflight_threshold: float = 5.0
    looks: int = 5
    """How many looks in a row have to miss an acknowledged order before it counts as gone."""
    open_orders_every: float = 10.0
    accounts_every: float = 60.0
    overlap: float = 10.0
    """How far before the newest known fill a poll begins: exchanges list some trades late."""
    lookback: float = 3600.0
    """Where fills are read from when nothing is known yet, or when a difference has to be explained."""
    absence_margin: float = 2.0
    doubt: float = 300.0
    """For how long after a verdict that the exchange never took an order its trades are looked for."""
    cancel_retry: float = 0.5
    sweep_retry: float = 0.5
    reconnect_first: float = 0.25
    reconnect_longest: float = 10.0
    announce_every: float = 5.0
    """What the broker says of itself is said again so often: who should hear it may have begun a new life."""
    max_clock_skew: float = 1.0
    """Beyond this difference to the exchange's clock nothing that opens is sent."""
    skew_every: float = 60.0
    instruments_looks: int = 60
    """The list of instruments is read again with every so manieth look at the clock."""
    dead_man_seconds: float | None = None
    """The exchange shall cancel everything when we are silent for this long; None: not wanted."""
    balance_drift: str = "halt"
    """What a balance does that no order explains: `halt` the exchange, or `ignore` where transfers are
    usual.
    """
