"""The vocabulary of trading: pure and frozen. No I/O, no clock, no randomness; every room may import it."""
