"""A server that may be broken, for the tests in this folder."""

from tests.fixtures.postgres_faults import fragile, fragile_dsn

__all__ = ["fragile", "fragile_dsn"]
