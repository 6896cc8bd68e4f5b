"""The kill switch under load, under `kill -9`, and with the database away or the disk full.

```
scene     three simulated exchanges, orders that rest, orders that are offered, and kills in the middle
crashes   a real process that is killed within moments of its kill
```
"""
