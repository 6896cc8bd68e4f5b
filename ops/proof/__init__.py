"""Evidence that the runtime keeps its promises: a deterministic simulation, planted bugs, and real crashes.

```
determinism   the same seed gives the same run, in every process
plan          what a seed means: shape, behaviour, faults; plain data
life          one incarnation of the process, and that it can end at any moment
stores        what a process can reach of disk, archive and latch
venue         an exchange that outlives every process, and its own books
wire          the line between one process and an exchange
people        clients and the operator, and what they write down
world         all of it in one run
checks        what must hold afterwards, read from journal, exchange and notes alone
simulate      the command; trace and shrink serve a seed that failed
mutants       planted bugs that the simulation has to find
kill          the kill switch under load, before kill -9, without a database, with a full disk
crash         the same questions put to a real process with a real database
```
"""
