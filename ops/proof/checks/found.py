"""What a checker finds."""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """`rule` names the invariant (I1 to I9, view, live), `what` says what was found where."""

    rule: str
    what: str
