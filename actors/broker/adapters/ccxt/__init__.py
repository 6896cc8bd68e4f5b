"""Real exchanges through ccxt: Binance spot and USD-M, Bybit v5 spot and linear; any other one marked
untested.

ccxt signs, connects and keeps sockets alive. What an answer means is decided here, from the HTTP status, the
exchange's own code and whether anything left this machine, because ccxt's exception class does not decide it.

```
outcomes   what a submit or a cancel came to: one literal table, pure
wire       what the client hands over: replies, frames, usage
binance, bybit, unified   requests out, answers and stream frames in: pure, one for each dialect
session    TLS, pins and name resolution of the connections
client     the only module that imports ccxt; asyncio side
adapter    the exchange port
shadow     real market data, orders answered by the simulated exchange
build      one of them from plain settings
```
"""
