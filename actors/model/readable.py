"""Texts from outside as databases take them, and the reasons of people as every door keeps them."""

import re

UNREADABLE = re.compile("[\0\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with U+FFFD, the sign for what can't be shown, in the place of NUL and of halves of surrogate
    pairs: what no database takes must not keep the rest from being written.
    """
    return UNREADABLE.sub("\ufffd", text)


REASON_MOST = 500
"""Characters of a reason, as the contract has it."""


def reason_of(text: str, otherwise: str = "no reason was given") -> str:
    """Why somebody stops trading, made from whatever was said: nobody is refused a kill for its reason."""
    return readable(text).strip()[:REASON_MOST].rstrip() or otherwise
