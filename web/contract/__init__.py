"""The contract: what clients may rely on.

It is written before the code, and within a major version only grows.
"""
