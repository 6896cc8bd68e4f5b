"""Any sequence of orders, fills, cancels, losses of answers and price moves, judged from the journal alone.

The judge shares no arithmetic with the risk room. The longer run with the real actors is `make risk-proof`.
"""

import decimal
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.model import amending
from actors.model import events as ev
from actors.model.order import Submission, Terminal
from actors.risk import amends
from actors.risk.decide import Passed
from actors.risk.ledger import Hold
from actors.risk.state import RiskState
from ops.proof.risk_checker import Checker
from tests.actors.risk.desk import BTC, ETH, PRICES, Desk

symbols = st.sampled_from([BTC, ETH])
exchanges = st.sampled_from(["sim", "other"])
sides = st.sampled_from(["buy", "sell"])
amounts = st.sampled_from(["100", "2000", "12500", "25000", "40000", "50000"])
prices = st.none() | st.integers(-900, 900)
picks = st.integers(0, 10_000)


class Trading(RuleBasedStateMachine):
    """Drives a desk; the checker raises on an acceptance that it finds no room for."""

    def __init__(self):
        super().__init__()
        self.context = decimal.getcontext().copy()
        decimal.getcontext().prec = 76
        self.checker = Checker()
        self.desk = Desk(exchanges=("sim", "other"), cash="70000", max_gross_usd=Decimal(90000))
        for name, value in {"max_pos_usd": "50000", "max_gross_usd": "90000", "price_collar": "0.1"}.items():
            self.desk.record(ev.LimitChanged(name=name, old=None, new=value, by="settings", reason=""))
        for name, value in {
            "symbol_whitelist": f"{BTC},{ETH}",
            "margin": "on",
            "max_daily_loss_usd": "5000",
        }.items():
            self.desk.record(ev.LimitChanged(name=name, old=None, new=value, by="settings", reason=""))
        self.read = 0

    def teardown(self):
        decimal.setcontext(self.context)

    def judge(self):
        """Let the checker read what is new."""
        while self.read < len(self.desk.events):
            event = self.desk.events[self.read]
            self.read += 1
            foreign = isinstance(event, ev.OrderEvent | ev.TradingStateChanged)
            foreign = foreign and not isinstance(event, ev.AmendAccepted | ev.AmendDenied)
            self.checker.read(self.read, "position" if foreign else "risk", ev.encode(event))

    def open_order(self, pick, *submissions):
        """Some open order, in one of these states of submission."""
        orders = [o for o in self.desk.book.orders.values() if not submissions or o.submission in submissions]
        return orders[pick % len(orders)] if orders else None

    @initialize()
    def begin(self):
        """Something rests from the start, for amends to change."""
        self.desk.place("buy", "0.25", "39600")
        self.desk.place("sell", "0.25", "40400", exchange="other")
        self.judge()

    @rule(
        side=sides, amount=amounts, away=prices, symbol=symbols, exchange=exchanges, reduce_only=st.booleans()
    )
    def place(self, side, amount, away, symbol, exchange, reduce_only):
        mark = self.desk.state.valuation.marks[exchange, symbol].mark
        quantity = (Decimal(amount) / mark).quantize(Decimal("0.000001"), rounding=decimal.ROUND_DOWN)
        price = None if away is None else (mark * (1 + Decimal(away).scaleb(-4))).quantize(Decimal("0.01"))
        self.attempt(side, quantity, price, symbol=symbol, exchange=exchange, reduce_only=reduce_only)

    @rule(symbol=symbols, exchange=exchanges, more=st.sampled_from(["1", "0.5", "1.1", "2"]))
    def close(self, symbol, exchange, more):
        held = self.desk.book.position(exchange, symbol).quantity
        quantity = (abs(held) * Decimal(more)).quantize(Decimal("0.000001"))
        if quantity:
            self.attempt("sell" if held > 0 else "buy", quantity, None, symbol=symbol, exchange=exchange)

    def attempt(self, side, quantity, price, **changes):
        """Place what passes; the judge has the last word."""
        intent = self.desk.intent(side, quantity, price, **changes)
        if isinstance(self.desk.judge(intent), Passed):
            self.desk.place(side, quantity, price, **changes)
        self.judge()

    @rule(pick=picks, part=st.sampled_from(["1", "0.3"]))
    def fill(self, pick, part):
        order = self.open_order(pick)
        if order is not None:
            intent = order.intent
            mark = self.desk.state.valuation.marks[intent.exchange, intent.symbol].mark
            left = order.intent.quantity - order.executed
            quantity = (left * Decimal(part)).quantize(Decimal("0.000001"), rounding=decimal.ROUND_UP)
            if not quantity:
                return
            fee = (quantity * mark / 1000).quantize(Decimal("0.000001"))
            self.desk.fill(order.order_id, quantity, intent.limit_price or mark, fee=str(fee))
            self.judge()

    @rule(pick=picks)
    def acknowledge(self, pick):
        order = self.open_order(pick, Submission.ACCEPTED, Submission.SENT, Submission.UNKNOWN)
        if order is not None:
            event = ev.OrderAcknowledged(exchange_order_id="x", **amends.about(order))
            self.desk.record(event)
            self.judge()

    @rule(pick=picks, factor=st.sampled_from(["0.5", "1", "1.3", "3"]), away=st.integers(-90, 90))
    def amend(self, pick, factor, away):
        """Ask for other terms, in place or by replacement; what passes is judged from the journal."""
        resting = [o for o in self.desk.book.orders.values() if o.intent.limit_price is not None]
        if not resting:
            return
        order = resting[pick % len(resting)]
        if order.submission is not Submission.WORKING:
            self.desk.record(ev.OrderAcknowledged(exchange_order_id="x", **amends.about(order)))
            order = self.desk.book.orders[order.order_id]
        self.desk.number += 1
        quantity = (order.intent.quantity * Decimal(factor)).quantize(Decimal("0.000001"))
        price = (order.intent.limit_price * (1 + Decimal(away).scaleb(-4))).quantize(Decimal("0.01"))
        asked = ev.AmendAsked(amend_id=f"a-{self.desk.number}", quantity=quantity, limit_price=price)
        if amending.objection(order, quantity) is not None:
            return
        desk = self.desk
        verdict = amends.judge(
            desk.decider, desk.state, order, asked, desk.trading_state, desk.killed, desk.now_us
        )
        if isinstance(verdict, Passed):
            desk.state.admit_amend(order, asked, verdict.price, desk.now_us)
            venue_id = "" if pick % 2 else f"r-{desk.number}"
            desk.record(amends.accepted(order, asked, verdict, venue_id, 0, desk.book.seq))
        self.judge()
        # What needs the room that both terms have taken.
        place = {"symbol": order.intent.symbol, "exchange": order.intent.exchange}
        for worth in (30_000, 12_500, 2_000):
            self.attempt(
                order.intent.side, (Decimal(worth) / price).quantize(Decimal("0.000001")), None, **place
            )

    @rule(pick=picks, refused=st.booleans())
    def settle_amend(self, pick, refused):
        """The word of the exchange on an amend; what can't be so is left out."""
        pending = [order for order in self.desk.book.orders.values() if order.amending is not None]
        if not pending:
            return
        order = pending[pick % len(pending)]
        amend, about = order.amending, amends.about(order)
        fits = (
            order.executed <= amend.quantity if amend.in_place else amending.why_not_replaced(order) is None
        )
        if refused or not fits:
            self.desk.record(ev.AmendRefused(amend_id=amend.amend_id, code="NO", reason="", **about))
        elif amend.in_place:
            self.desk.record(ev.OrderAmended(amend_id=amend.amend_id, **about))
        else:
            rest = amend.quantity - order.executed
            self.desk.record(
                ev.OrderReplaced(
                    amend_id=amend.amend_id, venue_id=amend.venue_id, quantity=rest, reason="", **about
                )
            )
        self.judge()

    @rule(pick=picks)
    def cancel(self, pick):
        order = self.open_order(pick)
        if order is not None:
            self.desk.cancelled(order.order_id)
            self.judge()

    @rule(pick=picks)
    def lose(self, pick):
        order = self.open_order(pick, Submission.ACCEPTED, Submission.SENT)
        if order is not None:
            self.desk.unresolved(order.order_id)
            self.judge()

    @rule(pick=picks)
    def prove_absent(self, pick):
        order = self.open_order(pick, Submission.UNKNOWN)
        if order is not None and not order.executed:
            self.desk.absent(order.order_id)
            self.judge()

    @precondition(lambda self: self.desk.book.closed)
    @rule(pick=picks)
    def fill_late(self, pick):
        closed = [
            o for o in self.desk.book.closed.values() if o.terminal in (Terminal.CANCELED, Terminal.ABSENT)
        ]
        if closed:
            order = closed[pick % len(closed)]
            left = order.intent.quantity - order.executed
            self.desk.fill(order.order_id, left, order.intent.limit_price or order.reserve_price)
            self.judge()

    @rule(symbol=symbols, exchange=exchanges, step=st.integers(-300, 300))
    def move_price(self, symbol, exchange, step):
        price = self.desk.state.valuation.marks[exchange, symbol].mark * (1 + Decimal(step).scaleb(-4))
        middle = PRICES[symbol]
        price = min(max(price, middle / 2), middle * 2).quantize(Decimal("0.01"))
        self.desk.price(symbol, price, exchange)

    @rule(hours=st.integers(1, 30))
    def wait(self, hours):
        self.desk.now_us += hours * 3_600_000_000
        for exchange, symbol in tuple(self.desk.state.valuation.marks):
            self.desk.price(symbol, self.desk.state.valuation.marks[exchange, symbol].mark, exchange)
        if self.desk.state.day_due(self.desk.now_us):
            self.desk.open_day()
        self.judge()

    @rule(state=st.sampled_from(["active", "reducing", "halted"]))
    def restrict(self, state):
        old, self.desk.trading_state = self.desk.trading_state, state
        changed = ev.TradingStateChanged(exchange=None, symbol=None, old=old, new=state, cause="a test")
        self.desk.record(changed)
        self.judge()

    @rule()
    def restart(self):
        """A new life that folds the journal decides from here on."""
        old = self.desk.state
        fresh = RiskState.rebuild(self.desk.book, old.limits)
        for broker in old.brokers.values():
            fresh.set_broker(broker)
        for mark in old.valuation.marks.values():
            fresh.set_mark(mark)
        assert fresh.ledger.holds == old.ledger.holds
        assert fresh.valuation.total == old.valuation.total
        assert fresh.valuation.fees == old.valuation.fees
        assert fresh.day_result() == old.day_result()
        for exchange in ("sim", "other"):
            assert fresh.valuation.equity_of(exchange) == old.valuation.equity_of(exchange)
            assert fresh.valuation.of_exchange(exchange) == old.valuation.of_exchange(exchange)
        self.desk.state = fresh

    @invariant()
    def every_open_order_is_reserved_as_it_is(self):
        holds = {order_id: Hold.of(order) for order_id, order in self.desk.book.orders.items()}
        assert self.desk.state.ledger.holds == holds


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
