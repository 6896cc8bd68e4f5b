"""The same promises, asked of a real process with a real PostgreSQL: kill it, start it again, compare.

```
service   the process under test: start, kill, and its database's own process
load      clients over HTTP that write down what was acknowledged
compare   notes, journal and the exchange's ledger, held against each other in SQL
__main__  the rounds
```
"""
