"""A local exchange server that speaks the dialects of Binance spot, Binance USD-M and Bybit v5, for testing
any bot.

```
markets, book, accounts, exchange   one exchange: its orders, its matching, its ledger; no I/O
tape         what the market does: synthetic, or replayed from a file
faults       what goes wrong on purpose
limits       weights, order counts, bans
serving      TLS server on which a connection can be cut
pipeline     the way of a request through limits, faults and a dialect
binance, bybit   the dialects: answers, errors, streams
control      the API that injects faults and shows the ledger
main         the command
```
"""
