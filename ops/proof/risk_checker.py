"""An independent judge of accepted orders: it reads the journal and nothing else.

An order is judged on what its judge could know: all that the risk stream holds before it, and of the other
streams what lay before the head that it recorded.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from ops.proof.risk_books import ZERO, Books, Unfounded
from ops.proof.risk_judge import Judge

__all__ = ["Checker", "Unfounded"]


@dataclass
class Checker:
    """Takes the journal's payloads in order with `read`; raises Unfounded at the first bad acceptance.

    `tightest` is the largest share of each limit that an accepted order reached.
    """

    books: Books = field(default_factory=Books)
    accepted: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    breached: int = 0
    tightest: dict[str, Decimal] = field(default_factory=dict)
    _others: deque[tuple[int, dict[str, Any]]] = field(default_factory=deque)

    def read(self, seq: int, stream: str, payload: bytes) -> None:
        """The next event."""
        body = msgspec.json.decode(payload)
        if stream != "risk":
            self._others.append((seq, body))
            return
        kind = body["type"]
        if kind == "OrderAccepted":
            self._catch_up(body["seen"])
            self._judge(body)
            self.accepted += 1
            self.books.accept(body)
        elif kind == "AmendAccepted":
            self._catch_up(body["seen"])
            self._judge_amend(body)
            self.books.amend(seq, body)
        elif kind == "OrderDenied":
            self.denied[body["code"]] = self.denied.get(body["code"], 0) + 1
        elif kind == "LimitBreached":
            self._breach(body)
        else:
            self.books.tell(body)

    def finish(self) -> None:
        """Read what the other streams wrote last."""
        self._catch_up(None)

    def _catch_up(self, seen: int | None) -> None:
        while self._others and (seen is None or self._others[0][0] <= seen):
            self.books.happen(*self._others.popleft())

    def _breach(self, body: dict[str, Any]) -> None:
        self.breached += 1
        if Decimal(body["value"]) <= Decimal(body["limit"]):
            raise Unfounded(f"a breach that is none: {body}")

    def _judge(self, body: dict[str, Any], *, amend: bool = False, raises: bool = True) -> None:
        judge = Judge(self.books, body)
        for name, value, limit in judge.values() if raises else ():
            if amend and name == "max_open_orders":
                continue
            self.tightest[name] = max(self.tightest.get(name, ZERO), value / limit if limit else ZERO)
            if value > limit:
                raise Unfounded(
                    f"order {body['intent']['order_id']} takes {name} to {value}, the limit is {limit}"
                )
        problem = judge.problem(raises=raises)
        if problem is not None:
            raise Unfounded(f"order {body['intent']['order_id']}: {problem}")

    def _judge_amend(self, body: dict[str, Any]) -> None:
        """The new terms as an order of their own, in the room that the order takes itself."""
        order_id, asked = body["order_id"], body["asked"]
        order = self.books.working.pop(order_id, None)
        if order is None:
            return
        left = Decimal(asked["quantity"]) - order.executed
        intent = {
            "order_id": order_id,
            "exchange": order.place[0],
            "symbol": order.place[1],
            "side": "buy" if order.buy else "sell",
            "quantity": str(left),
            "limit_price": asked["limit_price"],
            "reduce_only": order.reduce_only,
        }
        price = Decimal(body["reserve_price"])
        raises = left > order.left or left * price > order.left * order.dearest
        try:
            self._judge({**body, "intent": intent}, amend=True, raises=raises)
        finally:
            self.books.working[order_id] = order
