"""The stores, for every test in this folder."""

from tests.fixtures.stores import bridge, database, stores, writer

__all__ = ["bridge", "database", "stores", "writer"]
