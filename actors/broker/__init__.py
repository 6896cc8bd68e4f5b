"""One account at one exchange: orders leave through here, and what the exchange says comes back as
evidence.
"""
