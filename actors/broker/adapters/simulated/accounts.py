"""What the accounts of the simulated exchange hold, and what their open orders have taken of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from actors.broker.adapters.simulated.ledger import BalanceRow
from actors.model.money import EXACT, ZERO


class Accounts:
    """Totals and reservations by account and asset. A new account is opened with `opening`."""

    def __init__(self, opening: Mapping[str, Decimal]) -> None:
        self._opening = dict(opening)
        self._totals: dict[str, dict[str, Decimal]] = {}
        self._reserved: dict[tuple[str, str], Decimal] = {}
        self._changed: dict[tuple[str, str], None] = {}

    @property
    def changed(self) -> bool:
        """Whether a total has changed since the last `drain`."""
        return bool(self._changed)

    def restore(self, balances: Iterable[BalanceRow]) -> None:
        """Take over what the ledger says."""
        for balance in balances:
            self._totals.setdefault(balance.account, {})[balance.asset] = balance.total

    def balances(self, account: str) -> Sequence[tuple[str, Decimal, Decimal]]:
        """(asset, total, free), by name."""
        totals = self._account(account)
        return tuple((asset, totals[asset], self.free(account, asset)) for asset in sorted(totals))

    def free(self, account: str, asset: str) -> Decimal:
        """The total less what open orders have taken; negative when more was sold than held."""
        total = self._account(account).get(asset, ZERO)
        return EXACT.subtract(total, self._reserved.get((account, asset), ZERO))

    def add(self, account: str, asset: str, amount: Decimal) -> None:
        """Change a total by a signed amount."""
        totals = self._account(account)
        totals[asset] = EXACT.add(totals.get(asset, ZERO), amount)
        self._changed[account, asset] = None

    def reserve(self, account: str, asset: str, amount: Decimal) -> None:
        """Take, or give back what is negative, for open orders."""
        place = (account, asset)
        reserved = EXACT.add(self._reserved.get(place, ZERO), amount)
        if reserved:
            self._reserved[place] = reserved
        else:
            self._reserved.pop(place, None)

    def drain(self, revision: int) -> tuple[BalanceRow, ...]:
        """The totals that have changed since the last call, as rows of this revision."""
        rows = tuple(
            BalanceRow(account=account, asset=asset, total=self._totals[account][asset], revision=revision)
            for account, asset in self._changed
        )
        self._changed = {}
        return rows

    def _account(self, account: str) -> dict[str, Decimal]:
        totals = self._totals.get(account)
        if totals is None:
            totals = self._totals[account] = dict(self._opening)
            for asset in totals:
                self._changed[account, asset] = None
        return totals
