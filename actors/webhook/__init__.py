"""Telling others what happened: webhooks that follow the journal.

An outbox follows the committed journal by a durable cursor and writes deliveries; couriers, one for each
endpoint, send them, sign them and try again. Nothing here is ever waited for by the trading path.
"""
