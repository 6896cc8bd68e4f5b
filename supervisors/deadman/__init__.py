"""A dead-man's switch of our own, for exchanges that have none: a second process that cancels our orders when
the first falls silent.

`line` is the runtime's end of it, `watchdog` the process, `countdowns` its pure core. The two share nothing
but a socket and the name of the installation, by which the watchdog knows which orders are ours.
"""
