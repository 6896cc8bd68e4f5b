"""Exchanges behind the port: simulated, dummy, and real ones through ccxt."""
