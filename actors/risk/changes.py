"""Changes of limits: what the settings changed since last time, and what persons ask for. Pure."""

from actors.model.book import Book
from actors.model.events import LimitChanged
from actors.model.messages import ChangeLimit, Proposed, Refused
from actors.model.two_people import Asking, TwoPeople
from actors.risk.limits import OFF, BadLimit, RiskLimits, is_looser, limit_text, parse_limit, texts

SETTINGS = "settings"
"""Who a change is by that a start found in the settings."""


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
            by=SETTINGS,
            reason="the settings differ from those of the previous start",
        )
        for name, value in texts(settings).items()
        if book.settings.get(name, OFF) != value
    )


class LimitDesk:
    """Takes requests to change limits. With `second_person` a looser one needs two people."""

    def __init__(self, *, second_person: bool = False) -> None:
        self._people = TwoPeople() if second_person else None

    def ask(self, change: ChangeLimit, limits: RiskLimits, now_us: int) -> LimitChanged | Proposed | Refused:
        """The event to journal, or why there is none. `limits` are those in force."""
        if change.by == SETTINGS:
            return Refused(code="VALIDATION", detail="the name `settings` belongs to the settings")
        try:
            value = parse_limit(change.name, change.value)
        except BadLimit as error:
            return Refused(code="VALIDATION", detail=str(error))
        before, new = getattr(limits, change.name), limit_text(value)
        by, reason, approved_by = change.by, change.reason, None
        if self._people is not None and is_looser(change.name, before, value):
            first = self._people.ask(change.name, new, by, reason, now_us)
            if first.by == by:
                return _proposed(first)
            by, reason, approved_by = first.by, first.reason, by
        elif self._people is not None:
            self._people.forget(change.name)
        return LimitChanged(
            name=change.name, old=limit_text(before), new=new, by=by, reason=reason, approved_by=approved_by
        )

    def waiting(self, now_us: int) -> tuple[Proposed, ...]:
        """The looser limits that a second person still has to ask for."""
        askings = self._people.waiting(now_us) if self._people is not None else ()
        return tuple(_proposed(each) for each in askings)


def _proposed(asking: Asking) -> Proposed:
    what = f"{asking.topic} {asking.what}"
    return Proposed(what=what, by=asking.by, reason=asking.reason, until_us=asking.until_us)
