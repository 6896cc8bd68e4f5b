"""A local exchange server for testing any bot: Binance spot, Binance USD-M and Bybit v5, as they speak.

```
markets, listing, accounts, exchange   one exchange: what it lists, its orders, its ledger; no I/O
tape           what the outside market does: synthetic, or replayed from a file
faults         what goes wrong on purpose
limits, switch weights, order counts, bans; dead-man's switches
serving        TLS with a throw-away authority, on connections that can be cut
pipeline       the way of a request through faults, limits and a dialect
hub, sockets   who listens to what, and the connections of streams
binance, bybit the dialects: answers, errors, streams
service        all of it on one clock
control        the API that injects faults and shows the ledger
running, main  starting it: for tests, and as a command
```
"""
