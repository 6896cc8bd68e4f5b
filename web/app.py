"""The application: every route of the table under the framework, the feeds, and errors in one form.

Handlers are `web.routes`; what happens around each is `web.edge`. Here is only what ties them to Quart.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus

import structlog
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout
from werkzeug.routing import BaseConverter

from web.call import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    Answer,
    Call,
    Headers,
    Route,
    answer_problem,
    response_headers,
    too_large,
    too_slow,
)
from web.edge import Edge
from web.feeds.hub import Hub
from web.feeds.session import GOING_AWAY, POLICY, Hangup
from web.feeds.socket import EdgeSocket
from web.patterns import DEAD_LETTER_ID, UUID, WEBHOOK_ID
from web.problems import problem
from web.routes.table import ROUTES
from web.services import Services

_CODES = {
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL",
}

_log = structlog.get_logger(room="web")


def _converter(pattern: str) -> type[BaseConverter]:
    """An id of this form in a path; what can't be one is no such path."""

    class Id(BaseConverter):
        regex = pattern.removeprefix("^").removesuffix(r"\Z")
        part_isolating = True

    return Id


class EdgeApp(QuartTrio):
    """Quart on trio, with the routes that the server may answer without it (`lane`)."""

    asgi_websocket_class = EdgeSocket
    edge: Edge
    lane: dict[tuple[bytes, bytes], Route]
    hub: Hub | None
    sockets: dict[EdgeSocket, None]


def create_app(services: Services, routes: tuple[Route, ...] = ROUTES) -> EdgeApp:
    """The application over these services. It starts nothing and may be served or tested."""
    app = EdgeApp("web", static_folder=None, template_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        BODY_TIMEOUT=BODY_SECONDS,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.url_map.merge_slashes = False
    app.url_map.converters.update(_CONVERTERS)
    app.edge = Edge(services)
    app.hub = None
    app.sockets = {}
    app.while_serving(_feeds(app))
    app.lane = {(route.method.encode(), route.path.encode()): route for route in routes if route.fast}
    for route in routes:
        app.add_url_rule(
            _rule(route.path),
            endpoint=route.name,
            view_func=_view(app.edge, route),
            methods=[route.method],
        )
    app.register_error_handler(HTTPException, _refusal(app.edge))
    return app


_CONVERTERS = {
    "uuid_text": _converter(UUID),
    "webhook": _converter(WEBHOOK_ID),
    "dead_letter": _converter(DEAD_LETTER_ID),
}

_PARAMETERS = {
    "{orderId}": "<uuid_text:order_id>",
    "{tokenId}": "<uuid_text:token_id>",
    "{name}": "<name>",
    "{webhookId}": "<webhook:webhook_id>",
    "{deadLetterId}": "<dead_letter:dead_letter_id>",
}


def _rule(path: str) -> str:
    """The contract's path in the framework's spelling."""
    for written, rule in _PARAMETERS.items():
        path = path.replace(written, rule)
    return path


def _feeds(app: EdgeApp) -> Callable[[], AsyncGenerator[None, None]]:
    """Follow the runtime while the application is served; revoked tokens lose their sockets."""

    def revoked(token_id: str) -> None:
        for socket in tuple(app.sockets):
            if socket.token_id == token_id:
                socket.hang_up(Hangup(POLICY, "the token is no longer valid"))

    async def while_serving() -> AsyncGenerator[None, None]:
        services = app.edge.services
        app.hub = Hub(services.port)
        end = services.keyring.on_revoked(revoked)
        try:
            yield
        finally:
            end()
            app.hub.close()
            for socket in tuple(app.sockets):
                socket.hang_up(Hangup(GOING_AWAY, "the service is going away"))

    return while_serving


def _view(edge: Edge, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**params: str) -> Response:
        call = Call(
            request.method,
            request.path,
            request.query_string,
            request.headers.get("Remote-Addr", ""),
            request.scope["headers"],
            _read_body,
            params,
        )
        answer = await edge.serve(route, call)
        return _response(answer, call.correlation_id)

    return view


async def _read_body() -> bytes:
    try:
        body: bytes = await request.get_data(cache=False, as_text=False)  # type: ignore[assignment]
    except RequestEntityTooLarge:
        raise too_large() from None
    except RequestTimeout:
        raise too_slow() from None
    return body


def _response(answer: Answer, correlation_id: str) -> Response:
    response = Response(answer.body, status=answer.status)
    response.headers.clear()
    for name, value in response_headers(answer, correlation_id):
        response.headers.add(name.decode("latin-1").title(), value.decode("latin-1"))
    return response


def _methods_at(path: str) -> set[str]:
    """The methods of a path that the table has word for word; a pattern that fits it too does not count."""
    return {route.method for route in ROUTES if route.path == path}


def _refusal(edge: Edge) -> Callable[[HTTPException], Awaitable[Response]]:
    """What answers where the framework refuses: no such route or method, a fault outside of the handlers."""

    async def refusal(error: HTTPException) -> Response:
        status = error.code or 500
        code = _CODES.get(status) or ("VALIDATION" if status < 500 else "INTERNAL")
        allowed = _methods_at(request.path) or getattr(error, "valid_methods", None) or ()
        headers: Headers = ()
        if allowed:
            headers = ((b"allow", ", ".join(sorted(allowed)).encode()),)
        if status >= 500:
            _log.error("request_failed", path=request.path, status=status, exc_info=error.__cause__ or error)
        detail = f"{request.method} {request.path[:200]}: {HTTPStatus(status).phrase.lower()}"
        given = request.headers.get("X-Correlation-ID") or request.headers.get("X-Request-ID") or ""
        correlation_id = edge.correlations.of(given)
        return _response(
            answer_problem(problem(code, detail, status=status), correlation_id, headers), correlation_id
        )

    return refusal
