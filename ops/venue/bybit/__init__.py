"""Bybit's v5 dialect: spot and linear under one set of paths, told apart by `category`."""
