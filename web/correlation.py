"""The id under which a request is found in the logs, in the journal and in its answer."""

import re
import secrets

_VALID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII).fullmatch


class Correlations:
    """Takes over a client's id if it is well formed, and draws one otherwise: a random prefix and a
    counter.
    """

    def __init__(self, prefix: str | None = None) -> None:
        self._prefix = prefix or "q-" + secrets.token_hex(4)
        self._count = 0

    def of(self, given: str) -> str:
        """The id of a request whose client sent `given` (empty: nothing)."""
        if given and _VALID(given) is not None:
            return given
        self._count += 1
        return f"{self._prefix}-{self._count:x}"
