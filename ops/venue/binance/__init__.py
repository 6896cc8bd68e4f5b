"""Binance's dialects: spot and USD-M futures. What both share is in `common`, their JSON in `*_shapes`."""
