"""Real exchanges through ccxt: Binance spot and USD-M, Bybit v5 spot and linear; any other, untested.

ccxt signs, connects and keeps sockets alive. What an answer means is decided here, from the HTTP status,
the exchange's own code and whether anything left this machine, because ccxt's exception class does not
decide it.

```
outcomes           what a submit or a cancel came to: one literal table, pure
wire, values       what passes between the client and the pure modules, and how untrusted JSON is read
markets, precision what is offered, under which names and on which grid; refused before it leaves
dialect            what differs from exchange to exchange, as a protocol
binance, bybit     requests out, answers and frames in (`*_orders`: their orders and executions), pure
usage, profiles    what calls cost, what headers tell, how ccxt is set up: literal tables
session            TLS, pins and name resolution of the connections
loading            one exchange of ccxt without the hundred others: the only module that imports ccxt
tapped, client     the asyncio side: ccxt with hooks, driven from trio
adapter            the exchange port
unified            the same for exchanges without a dialect
shadow             real market data, orders answered by the simulated exchange
build              one of them from plain settings
```
"""
