"""An exchange of our own that behaves like a real one: a matching engine in a synthetic or recorded market.

```
engine     who trades with whom: price-time priority, pure
market     where prices come from: the shape, and the synthetic market
recorded   markets from files
playback   several markets on one clock
accounts   balances and reservations
venue      the exchange: requests and market events in, answers and changes out, pure
ledger     what it writes down before it answers, and the twin of the store
faults     what can go wrong on the way, for tests and simulation
scribe     writes to the ledger and tells the streams afterwards
answers    what it says, in the words of the port
adapter    the exchange port
build      one of them from plain values
```
"""

from actors.broker.adapters.simulated.adapter import SimulatedExchange
from actors.broker.adapters.simulated.build import build
from actors.broker.adapters.simulated.faults import CallFault, Faults, NoFaults
from actors.broker.adapters.simulated.ledger import MemoryLedger, SimLedger
from actors.broker.adapters.simulated.recorded import MarketFileError

__all__ = [
    "CallFault",
    "Faults",
    "MarketFileError",
    "MemoryLedger",
    "NoFaults",
    "SimLedger",
    "SimulatedExchange",
    "build",
]
