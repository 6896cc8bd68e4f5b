"""Every operation that is served: a lint compares this table with the contract."""

from web.call import Route
from web.routes import account, batch, operator, orders, service, tokens
from web.routes.webhook_table import WEBHOOK_ROUTES

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/orders",
        "placeOrder",
        orders.place,
        "trade",
        "order_created",
        body=True,
        command=True,
        bounded=True,
        fast=True,
    ),
    Route("GET", "/orders", "listOrders", orders.listed, "read", "orders_listed"),
    Route("DELETE", "/orders", "cancelOrders", orders.cancel_all, "cancel", "orders_cancelled", command=True),
    Route(
        "POST",
        "/orders/batch",
        "placeOrders",
        batch.place_all,
        "trade",
        "orders_created",
        body=True,
        command=True,
        bounded=True,
        fast=True,
    ),
    Route("GET", "/orders/{orderId}", "getOrder", orders.read, "read", "order_read"),
    Route(
        "DELETE", "/orders/{orderId}", "cancelOrder", orders.cancel, "cancel", "order_cancelled", command=True
    ),
    Route("GET", "/orders/{orderId}/events", "getOrderEvents", orders.history, "read", "order_events_read"),
    Route("GET", "/positions", "listPositions", account.positions, "read", "positions_read"),
    Route("GET", "/fills", "listFills", account.fills, "read", "fills_read"),
    Route("GET", "/balances", "listBalances", account.balances, "read", "balances_read"),
    Route("GET", "/risk", "getRisk", account.risk, "read", "risk_read"),
    Route("GET", "/events", "listEvents", account.events, "read", "events_read"),
    Route(
        "POST", "/operator/kill", "kill", operator.kill, "cancel", "trading_killed", body=True, command=True
    ),
    Route(
        "POST",
        "/operator/resume",
        "resume",
        operator.resume,
        "operator",
        "trading_resumed",
        body=True,
        command=True,
    ),
    Route("GET", "/operator/tree", "getTree", operator.tree, "read", "tree_read"),
    *WEBHOOK_ROUTES,
    Route("GET", "/operator/tokens", "listTokens", tokens.listed, "operator", "tokens_listed"),
    Route(
        "POST",
        "/operator/tokens",
        "makeToken",
        tokens.made,
        "operator",
        "token_made",
        body=True,
        command=True,
    ),
    Route(
        "POST",
        "/operator/tokens/{tokenId}/rotate",
        "rotateToken",
        tokens.rotate,
        "operator",
        "token_rotated",
        body=True,
        command=True,
    ),
    Route(
        "DELETE",
        "/operator/tokens/{tokenId}",
        "revokeToken",
        tokens.revoke,
        "operator",
        "token_revoked",
        command=True,
    ),
    Route("GET", "/healthz", "health", service.health, None, "health_read", quiet=True),
    Route("GET", "/readyz", "readiness", service.readiness, None, "readiness_read", quiet=True),
    Route("GET", "/metrics", "metrics", service.metrics, None, "metrics_read", quiet=True),
    Route("GET", "/openapi.json", "contract", service.openapi, None, "contract_read", quiet=True),
    Route("GET", "/docs", "docs", service.docs, None, "docs_read", quiet=True),
)
