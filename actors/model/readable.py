"""Texts from outside as databases take them."""

import re

UNREADABLE = re.compile("[\0\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with U+FFFD, the sign for what can't be shown, in the place of NUL and of halves of surrogate
    pairs: what no database takes must not keep the rest from being written.
    """
    return UNREADABLE.sub("\ufffd", text)
