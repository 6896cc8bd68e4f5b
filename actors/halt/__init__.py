"""The kill switch and the trading state: the gate that everything passes, the latch that remembers, the
operator's actor.
"""
