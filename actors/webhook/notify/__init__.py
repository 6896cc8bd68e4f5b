"""Telling a person: what operators have to know, in words, where they read it. Pure.

The same outbox, retries and dead letters as webhooks; what differs is that events become sentences, several
go together into one message, and there are not many messages.
"""
