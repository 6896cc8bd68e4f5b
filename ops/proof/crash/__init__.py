"""The same promises, asked of a real process with a real PostgreSQL: kill it, start it again, compare.

```
service   the process under test: start, kill, and its database's own process
points    that process, able to die at a named point
link      the line to its database, which can be slow, deaf, silent or cut
disk      a small file system, which can be full
damage    every kind of crash by its name
load      clients over HTTP that write down what was acknowledged
compare   notes, journal and the exchange's ledger, held against each other in SQL
rounds    load, damage, recovery, comparison, and what is kept of them
__main__  the command and its report
```
"""
