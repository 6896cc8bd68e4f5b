"""What RiskActor remembers over its lives: what the outside said last, what the journal accepted, and what
breaches led to.
"""

import msgspec

from actors.model.messages import BrokerState, Mark
from actors.risk.guard import Memory
from actors.risk.state import RiskState


class Known:
    """Outlives a RiskActor, so that its next life need not wait to hear it again. Made by the tree."""

    def __init__(self) -> None:
        self.marks: dict[tuple[str, str], Mark] = {}
        self.brokers: dict[str, BrokerState] = {}
        self.skews: dict[str, int] = {}
        self.accepted: dict[str, None] = {}
        """Orders and amends, oldest first. The book forgets them, of an order's amends all but the newest,
        while what has left is compared with them later.
        """
        self.guard = Memory()

    def keep(self, broker: BrokerState) -> BrokerState:
        """Remember an exchange's state; what this report leaves out of instruments and balances stays."""
        before = self.brokers.get(broker.exchange)
        if before is not None:
            broker = msgspec.structs.replace(
                broker,
                instruments=broker.instruments or before.instruments,
                balances=broker.balances or before.balances,
                apart=broker.apart or before.apart,
            )
        self.brokers[broker.exchange] = broker
        return broker

    def recall(self, state: RiskState) -> None:
        """Tell a rebuilt state what is known. From here on it keeps `accepted` up."""
        self.accepted = state.accepted = {**self.accepted, **state.accepted}
        for broker in self.brokers.values():
            state.set_broker(broker)
        for mark in self.marks.values():
            state.set_mark(mark)
        state.skews.update(self.skews)
