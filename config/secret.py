"""A value that must not be seen: it can be handed on and compared, but not printed, logged or formatted."""

import hmac
from typing import NoReturn

HIDDEN = "********"


class Secret:
    """Text that shows as asterisks; :meth:`reveal` is the only way to it, and easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; call it where it is used and keep it nowhere."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        message = "a secret is not written anywhere: it can't be pickled or copied"
        raise TypeError(message)

    def __deepcopy__(self, memo: object) -> "Secret":
        return self
