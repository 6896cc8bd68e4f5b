"""Planted bugs, kept as data, and the hunt that shows that the simulation finds each of them."""
