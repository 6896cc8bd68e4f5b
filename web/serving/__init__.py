"""Hypercorn's protocol stack over connections of our own: every wait bounded, order entry without detours.

Hypercorn's own connection starts a task for each request and one for each pause between two, writes a
response in three pieces, waits for ever for a client that does not read, and speaks HTTP/2. Here are the
parts that have to be different; parsing, WebSocket framing and TLS stay hypercorn's.
"""
