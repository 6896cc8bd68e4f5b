"""Lints of our own conventions: modules that run with ``python -m`` and exit non-zero on a finding."""
