"""Requests to the service.

Everything that only asks is tried again when the service is away for a moment. An order is tried again only
because each carries an idempotency key: the same key never places a second order. Cancels and kills are
repeated too, since doing them twice is doing them once.
"""

import secrets
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NamedTuple, Protocol, TypeVar

import anyio
import httpx
import msgspec

from web.client.errors import ApiError, Unreachable, problem_of
from web.client.feed import Frames, follow
from web.routes.account import BalanceList, FillPage, Positions
from web.routes.audit import AuditBody, AuditPage
from web.routes.batch import BatchItem, BatchResult
from web.routes.decisions import AdjustmentBody
from web.routes.halt import HaltBody
from web.routes.limits import LimitChangeBody, LimitChangePage, LimitResultBody, LimitsBody
from web.routes.operator import KillBody, NodeBody, ResumeBody, TreeBody
from web.routes.orders import CancelledAll, EventPage, OrderPage
from web.wire import BalanceBody, EventBody, FillBody, OrderBody, PositionBody, RiskBody

ATTEMPTS = 4
PAUSE_SECONDS = 0.2
REQUEST_SECONDS = 15.0

BodyT = TypeVar("BodyT")


class Page(Protocol):
    """A part of a list; `next_cursor` asks for the next."""

    @property
    def next_cursor(self) -> str | None: ...


PageT = TypeVar("PageT", bound=Page)


class Waiting(NamedTuple):
    """How long the answer to a command may wait for the exchange; None leaves it to the service."""

    seconds: float | None = None

    def header(self) -> dict[str, str]:
        """As the service wants it."""
        if self.seconds is None:
            return {}
        return {"Prefer": f"wait={self.seconds:g}" if self.seconds > 0 else "respond-async"}


class Client:
    """One user's way to one service. To be used with `async with`; cancelling a call never cancels a command.

    `trust` is for a service with a certificate of its own making: a context that trusts it, such as
    `ssl.create_default_context(cafile="certificate.pem")`. `http` is for tests.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        trust: ssl.SSLContext | None = None,
        http: httpx.AsyncClient | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._attempts = attempts
        self._trust = trust
        self._http = http or httpx.AsyncClient(
            base_url=self.base_url, timeout=REQUEST_SECONDS, verify=True if trust is None else trust
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def place(
        self,
        *,
        symbol: str,
        side: str,
        type: str,  # noqa: A002 - the contract's word
        qty: str,
        limit_price: str | None = None,
        stop_price: str | None = None,
        time_in_force: str = "GTC",
        exchange: str | None = None,
        client_order_id: str | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
        waiting: Waiting = Waiting(),  # noqa: B008 - immutable
    ) -> OrderBody:
        """Place an order: as the exchange left it, or as it is now when that is not known yet.

        Raises ApiError when it was refused, Unreachable when its fate is not known (ask again with the same
        key).
        """
        body = {
            "symbol": symbol,
            "side": side,
            "type": type,
            "qty": qty,
            "limitPrice": limit_price,
            "stopPrice": stop_price,
            "timeInForce": time_in_force,
            "exchange": exchange,
            "clientOrderId": client_order_id,
            "postOnly": post_only,
            "reduceOnly": reduce_only,
        }
        headers = {"Idempotency-Key": idempotency_key or new_key(), **waiting.header()}
        query = {"dryRun": "true"} if dry_run else {}
        return await self._ask("POST", "/orders", OrderBody, body=body, query=query, headers=headers)

    async def place_all(
        self,
        orders: Sequence[Mapping[str, object]],
        *,
        idempotency_key: str | None = None,
        waiting: Waiting = Waiting(),  # noqa: B008 - immutable
    ) -> Sequence[BatchItem]:
        """Place up to 50 orders, each given as the contract's NewOrder; one result an item."""
        headers = {"Idempotency-Key": idempotency_key or new_key(), **waiting.header()}
        body = {"orders": orders}
        return (await self._ask("POST", "/orders/batch", BatchResult, body=body, headers=headers)).results

    async def amend(
        self,
        order_id: str,
        *,
        qty: str | None = None,
        limit_price: str | None = None,
        idempotency_key: str | None = None,
        waiting: Waiting = Waiting(),  # noqa: B008 - immutable
    ) -> OrderBody:
        """Give a working limit order another quantity (in all, executed parts included) or price.

        The order as it is then; its `amend` is pending when the outcome is not known yet. Raises ApiError
        when it was refused, Unreachable when its fate is not known (ask again with the same key).
        """
        terms = {"qty": qty, "limitPrice": limit_price}
        body = {name: value for name, value in terms.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key or new_key(), **waiting.header()}
        return await self._ask("PATCH", f"/orders/{order_id}", OrderBody, body=body, headers=headers)

    async def cancel(self, order_id: str, waiting: Waiting = Waiting()) -> OrderBody:  # noqa: B008 - immutable
        """Cancel an order. Raises ApiError `ORDER_CLOSED` when it is over already."""
        return await self._ask("DELETE", f"/orders/{order_id}", OrderBody, headers=waiting.header())

    async def cancel_all(
        self, *, exchange: str | None = None, symbol: str | None = None, side: str | None = None
    ) -> Sequence[str]:
        """Cancel every open order in scope; the ids of those that a cancel was asked for."""
        query = {"exchange": exchange, "symbol": symbol, "side": side}
        return (await self._ask("DELETE", "/orders", CancelledAll, query=query)).order_ids

    async def order(self, order_id: str) -> OrderBody:
        """One order as it is now."""
        return await self._ask("GET", f"/orders/{order_id}", OrderBody)

    async def orders(
        self, *, status: Sequence[str] = (), exchange: str | None = None, symbol: str | None = None
    ) -> AsyncIterator[OrderBody]:
        """All orders that match, newest first, page by page."""
        query = {"status": ",".join(status) or None, "exchange": exchange, "symbol": symbol}
        async for page in self._pages("/orders", OrderPage, query):
            for order in page.orders:
                yield order

    async def fills(
        self, *, order_id: str | None = None, symbol: str | None = None
    ) -> AsyncIterator[FillBody]:
        """All fills that match, newest first, page by page."""
        query = {"orderId": order_id, "symbol": symbol}
        async for page in self._pages("/fills", FillPage, query):
            for fill in page.fills:
                yield fill

    async def events(self, *, after: int = 0) -> AsyncIterator[EventBody]:
        """The journal later than `after`, oldest first, up to its end."""
        query = {"after": str(after), "limit": "1000"}
        async for page in self._pages("/events", EventPage, query):
            for event in page.events:
                yield event

    async def positions(self) -> Sequence[PositionBody]:
        """What is held."""
        return (await self._ask("GET", "/positions", Positions)).positions

    async def balances(self) -> Sequence[BalanceBody]:
        """What the accounts hold."""
        return (await self._ask("GET", "/balances", BalanceList)).balances

    async def risk(self, *, reservations: bool = False) -> RiskBody:
        """The limits and what is used of them; with what each open order reserves if that is asked for."""
        query = {"reservations": "true"} if reservations else {}
        return await self._ask("GET", "/risk", RiskBody, query=query)

    async def limits(self) -> LimitsBody:
        """Every limit by name, as it is set."""
        return await self._ask("GET", "/limits", LimitsBody)

    async def change_limit(self, name: str, value: str, reason: str) -> LimitResultBody:
        """Set a limit. Look at `status`: it may wait for a second person."""
        body = {"value": value, "reason": reason}
        return await self._ask("PATCH", f"/limits/{name}", LimitResultBody, body=body)

    async def limit_changes(self, name: str | None = None) -> AsyncIterator[LimitChangeBody]:
        """The versions of the limits, or of one, newest first."""
        query = {"name": name}
        async for page in self._pages("/limits/changes", LimitChangePage, query):
            for change in page.changes:
                yield change

    async def audit(self) -> AsyncIterator[AuditBody]:
        """The calls that were to change something, newest first, page by page."""
        async for page in self._pages("/operator/audit", AuditPage, {}):
            for entry in page.entries:
                yield entry

    async def tree(self) -> NodeBody:
        """The live tree."""
        return (await self._ask("GET", "/operator/tree", TreeBody)).root

    async def kill(
        self, reason: str, *, level: str = "cancel", exchange: str | None = None, symbol: str | None = None
    ) -> KillBody:
        """Stop trading. Raises ApiError `HALTED_NOT_DURABLE` when it is stopped, but not on disk."""
        body = {"reason": reason, "level": level, "exchange": exchange, "symbol": symbol}
        return await self._ask("POST", "/operator/kill", KillBody, body=body)

    async def halted(self) -> HaltBody:
        """What is halted, why, and how far the work of it is."""
        return await self._ask("GET", "/operator/kill", HaltBody)

    async def resume(
        self,
        reason: str,
        *,
        kill_ids: Sequence[str] = (),
        exchange: str | None = None,
        symbol: str | None = None,
    ) -> ResumeBody:
        """Lift everything in force, the kills that are named, or what holds for exactly one scope.

        With a `proposal` in the answer nothing was lifted: it waits for a second person.
        """
        body = {"reason": reason, "killIds": list(kill_ids), "exchange": exchange, "symbol": symbol}
        return await self._ask("POST", "/operator/resume", ResumeBody, body=body)

    async def judge_absent(self, order_id: str, reason: str) -> OrderBody:
        """Record that the exchange never took an unknown order. Needs the scope operator."""
        body = {"verdict": "absent", "reason": reason}
        return await self._ask("POST", f"/operator/orders/{order_id}/verdict", OrderBody, body=body)

    async def adjust_balance(
        self, exchange: str, asset: str, amount: str, *, reference: str, reason: str
    ) -> AdjustmentBody:
        """Record that a balance changed by a signed amount. Needs the scope operator."""
        body = {
            "exchange": exchange,
            "asset": asset,
            "amount": amount,
            "reference": reference,
            "reason": reason,
        }
        return await self._ask("POST", "/operator/adjustments", AdjustmentBody, body=body)

    async def ready(self) -> bool:
        """Whether the service takes orders."""
        response = await self._send("GET", "/readyz", None, {}, {})
        return response.status_code == 200

    def feed(
        self, channel: str, *, from_seq: int | None = None, symbols: Sequence[str] | None = None
    ) -> AbstractAsyncContextManager[Frames]:
        """Follow a channel: `async with client.feed("orders") as frames: async for frame in frames: …`.

        First a snapshot, then updates for ever; after a lost connection, whatever was missed. Each update
        of the journal comes exactly once. Iterating raises FeedRefused when the service refuses the token.
        """
        return follow(
            self.base_url, self._token, channel, from_seq=from_seq, symbols=symbols, trust=self._trust
        )

    async def _pages(
        self, path: str, kind: type[PageT], query: Mapping[str, str | None]
    ) -> AsyncIterator[PageT]:
        """Each page of a list, for as long as it says that there is another."""
        cursor: str | None = None
        while True:
            page = await self._ask("GET", path, kind, query={**query, "cursor": cursor})
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[BodyT],
        *,
        body: object = None,
        query: Mapping[str, str | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> BodyT:
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        for attempt in range(1, self._attempts + 1):
            try:
                response = await self._send(method, path, body, wanted, headers or {})
            except Unreachable:
                if attempt == self._attempts:
                    raise
                await anyio.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
                continue
            if response.is_success:
                return msgspec.json.decode(response.content, type=kind)
            problem = problem_of(response.status_code, response.content)
            passing = problem.status in {429, 503} or problem.code == "IN_PROGRESS"
            if attempt == self._attempts or not passing or problem.code == "HALTED_NOT_DURABLE":
                raise ApiError(problem)
            await anyio.sleep(problem.retry_after_seconds or PAUSE_SECONDS * 2 ** (attempt - 1))
        raise Unreachable("no attempt was allowed", unsent=True)

    async def _send(
        self, method: str, path: str, body: object, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if content is not None:
            sent["Content-Type"] = "application/json"
        try:
            return await self._http.request(method, path, content=content, params=query or None, headers=sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{self.base_url} can't be reached: {_why(error)}", unsent=True) from error
        except httpx.TransportError as error:
            raise Unreachable(f"{self.base_url} did not answer: {error!r}", unsent=False) from error


def _why(error: BaseException) -> str:
    """The first words in what led to an error; the outermost may have none, as where TLS fails."""
    cause: BaseException | None = error
    while cause is not None:
        if str(cause):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def new_key() -> str:
    """An idempotency key that nobody else draws."""
    return secrets.token_urlsafe(18)
