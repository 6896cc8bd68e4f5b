"""Changes of limits: what the settings changed since last time, and what persons ask for. Pure."""

import msgspec

from actors.model.book import Book
from actors.model.events import LimitChanged
from actors.model.messages import ChangeLimit, Refused
from actors.risk.limits import OFF, BadLimit, RiskLimits, is_looser, limit_text, parse_limit, texts


def settings_changes(settings: RiskLimits, book: Book) -> tuple[LimitChanged, ...]:
    """What the settings say otherwise than at the previous start. What they say unchanged leaves the
    journal's limit.

    So a limit that was changed at run time stands over restarts until somebody changes the setting.
    """
    return tuple(
        LimitChanged(
            name=name,
            old=book.limits.get(name),
            new=value,
            by="settings",
            reason="the settings differ from those of the previous start",
        )
        for name, value in texts(settings).items()
        if book.settings.get(name, OFF) != value
    )


class Proposal(msgspec.Struct, frozen=True):
    """A looser limit that one person asked for and another has to ask for too."""

    value: str
    by: str
    at_us: int


class LimitDesk:
    """Takes requests to change limits. With `second_person` a looser one needs two people within
    `patience_us`.
    """

    def __init__(self, *, second_person: bool = False, patience_us: int = 3_600_000_000) -> None:
        self._second_person = second_person
        self._patience_us = patience_us
        self._proposals: dict[str, Proposal] = {}

    def ask(self, change: ChangeLimit, limits: RiskLimits, now_us: int) -> LimitChanged | Refused:
        """The event to journal, or why there is none. `limits` are those in force."""
        if change.by == "settings":
            return Refused(code="VALIDATION", detail="the name `settings` belongs to the settings")
        try:
            value = parse_limit(change.name, change.value)
        except BadLimit as error:
            return Refused(code="VALIDATION", detail=str(error))
        before = getattr(limits, change.name)
        old, new = limit_text(before), limit_text(value)
        if self._second_person and is_looser(change.name, before, value):
            refused = self._propose(change, new, now_us)
            if refused is not None:
                return refused
        self._proposals.pop(change.name, None)
        return LimitChanged(name=change.name, old=old, new=new, by=change.by, reason=change.reason)

    def _propose(self, change: ChangeLimit, new: str, now_us: int) -> Refused | None:
        proposal = self._proposals.get(change.name)
        if (
            proposal is not None
            and proposal.value == new
            and proposal.by != change.by
            and now_us - proposal.at_us <= self._patience_us
        ):
            return None
        self._proposals[change.name] = Proposal(new, change.by, now_us)
        minutes = self._patience_us // 60_000_000
        detail = (
            f"{change.name} {new} is looser: another person has to ask for it too within {minutes} minutes"
        )
        return Refused(code="SECOND_PERSON", detail=detail)
