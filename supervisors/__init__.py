"""Supervision: the library (`otp`) and the application's own tree."""
