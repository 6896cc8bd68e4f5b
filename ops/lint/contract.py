"""Checks the contract against itself, against what is served, and against what was released.

Clients rely on the contract; so the routes, the codes, the bodies and the channels in the code must be
those that are written there, and within a major version nothing may go away or become required.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from ops.lint.contract_growth import breaks, feed_breaks, kinds
from web import asked, wire
from web.feeds import protocol, trade
from web.feeds.socket import PATHS
from web.problems import CODES, Problem
from web.routes import account, audit, batch, decisions, halt, limits, operator, orders, tokens, webhooks
from web.routes.table import ROUTES

ROOT = Path(__file__).parents[2] / "web" / "contract"
SCALARS = {"string", "integer", "number"}
METHODS = ("get", "post", "put", "patch", "delete")

BODIES: dict[str, type[msgspec.Struct]] = {
    "NewOrder": asked.NewOrder,
    "AmendRequest": asked.AmendRequest,
    "Amend": wire.AmendBody,
    "KillRequest": asked.KillRequest,
    "ResumeRequest": asked.ResumeRequest,
    "VerdictRequest": asked.VerdictRequest,
    "AdjustmentRequest": asked.AdjustmentRequest,
    "LogLevel": asked.LogLevelRequest,
    "Order": wire.OrderBody,
    "Position": wire.PositionBody,
    "Fill": wire.FillBody,
    "Risk": wire.RiskBody,
    "Event": wire.EventBody,
    "OrderPage": orders.OrderPage,
    "EventPage": orders.EventPage,
    "CancelledAll": orders.CancelledAll,
    "FillPage": account.FillPage,
    "Positions": account.Positions,
    "Balances": account.BalanceList,
    "NewOrders": batch.NewOrders,
    "BatchResult": batch.BatchResult,
    "LimitRequest": asked.LimitRequest,
    "Limits": limits.LimitsBody,
    "LimitResult": limits.LimitResultBody,
    "LimitChange": limits.LimitChangeBody,
    "LimitChangePage": limits.LimitChangePage,
    "Proposal": wire.ProposalBody,
    "Halt": halt.HaltBody,
    "KillResult": operator.KillBody,
    "ResumeResult": operator.ResumeBody,
    "AdjustmentResult": decisions.AdjustmentBody,
    "Tree": operator.TreeBody,
    "TreeNode": operator.NodeBody,
    "NewWebhook": webhooks.NewWebhook,
    "RotateRequest": webhooks.RotateRequest,
    "ReplayRequest": webhooks.ReplayRequest,
    "Webhook": webhooks.WebhookBody,
    "Webhooks": webhooks.WebhookList,
    "WebhookStatistics": webhooks.WebhookStatistics,
    "TestSent": webhooks.TestSent,
    "DeadLetter": webhooks.DeadLetterBody,
    "DeadLetterPage": webhooks.DeadLetterPage,
    "Replayed": webhooks.Replayed,
    "NewToken": tokens.NewToken,
    "RotateToken": tokens.RotateToken,
    "Token": tokens.TokenBody,
    "MadeToken": tokens.MadeToken,
    "TokenList": tokens.TokenList,
    "AuditEntry": audit.AuditBody,
    "AuditPage": audit.AuditPage,
    "Problem": Problem,
}
"""The schema of each body, and the struct that is its equal in the code."""

ACTIONS = (
    protocol.Authenticate,
    protocol.Subscribe,
    protocol.Unsubscribe,
    protocol.Ping,
    trade.Place,
    trade.Amend,
    trade.Cancel,
    trade.CancelOnDisconnect,
    trade.Kill,
)


def findings(root: Path = ROOT) -> Iterator[str]:
    """Everything that is wrong, one line each."""
    rest = _load(root / "openapi.yaml")
    feeds = _load(root / "asyncapi.yaml")
    for error in OpenAPIV31SpecValidator(rest).iter_errors():
        yield f"openapi.yaml is not valid: {error.message}"
    yield from routes_differ(rest)
    yield from codes_differ(rest)
    yield from bodies_differ(rest)
    yield from feeds_differ(feeds)
    yield from unexplained(rest)
    for name, current, compare in (("openapi.yaml", rest, breaks), ("asyncapi.yaml", feeds, feed_breaks)):
        released = root / "released" / name
        if released.exists():
            yield from (f"{name} breaks clients: {each}" for each in compare(_load(released), current))


def routes_differ(contract: Mapping[str, Any]) -> Iterator[str]:
    """Routes that are served but not in the contract, or the other way round, or under another scope."""
    written = {
        (method.upper(), path): operation
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    served = {(route.method, route.path): route for route in ROUTES}
    for key in sorted(written.keys() ^ served.keys()):
        yield f"{' '.join(key)} is only {_side(written=key in written)}"
    for key in sorted(written.keys() & served.keys()):
        operation, route = written[key], served[key]
        if operation["operationId"] != route.name:
            yield f"{' '.join(key)} is called {route.name}, in the contract {operation['operationId']}"
        if (operation.get("security") == []) != (route.scope is None):
            yield f"{' '.join(key)} is open in one of code and contract only"
        if route.scope is not None and f"Scope `{route.scope}`" not in operation["description"]:
            yield f"{' '.join(key)} needs the scope {route.scope}; its description does not say so"
        if route.body != ("requestBody" in operation):
            yield f"{' '.join(key)} takes a body in one of code and contract only"


def codes_differ(contract: Mapping[str, Any]) -> Iterator[str]:
    """Codes that only one side knows."""
    written = set(contract["components"]["schemas"]["ProblemCode"]["enum"])
    for code in sorted(written ^ CODES.keys()):
        yield f"code {code} is only {_side(written=code in written)}"


def bodies_differ(contract: Mapping[str, Any]) -> Iterator[str]:
    """Fields, requirements and choices in which a struct differs from its schema."""
    schemas = contract["components"]["schemas"]
    for name, struct in BODIES.items():
        schema = schemas[name]
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        for field in sorted(fields.keys() ^ schema["properties"].keys()):
            yield f"{name}.{field} is only {_side(written=field not in fields)}"
        incoming = issubclass(struct, asked.Asked)
        if incoming:
            required = {field for field, found in fields.items() if found.required}
            if required != set(schema.get("required", ())):
                there = sorted(schema.get("required", ()))
                yield f"{name} requires {sorted(required)} in the code, {there} in the contract"
            if schema.get("additionalProperties") is not False:
                yield f"{name} refuses unknown fields; its schema does not say so"
        for field, hint in get_type_hints(struct).items():
            yield from _choices_differ(contract, f"{name}.{field}", hint, schema, fields, field)


def _choices_differ(
    contract: Mapping[str, Any],
    where: str,
    hint: Any,
    schema: Mapping[str, Any],
    fields: Mapping[str, msgspec.structs.FieldInfo],
    field: str,
) -> Iterator[str]:
    if getattr(hint, "__origin__", None) is not Literal:
        return
    encoded = next(name for name, found in fields.items() if found.name == field)
    written = _enum(contract, schema["properties"][encoded])
    if written is not None and set(written) != set(get_args(hint)):
        yield f"{where} may be {get_args(hint)} in the code, {written} in the contract"


def _enum(contract: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str] | None:
    if "$ref" in schema:
        return _enum(contract, contract["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for part in schema.get("allOf", ()):
        return _enum(contract, part)
    found: list[str] | None = schema.get("enum")
    return found


def feeds_differ(contract: Mapping[str, Any]) -> Iterator[str]:
    """Addresses, channels and actions that only one side knows."""
    addresses = {channel["address"] for channel in contract["channels"].values()}
    for address in sorted(addresses ^ PATHS.keys()):
        yield f"{address} is only {_side(written=address in addresses)}"
    channels = set(contract["components"]["schemas"]["Channel"]["enum"])
    if channels != set(protocol.CHANNELS):
        yield f"channels are {sorted(protocol.CHANNELS)} in the code, {sorted(channels)} in the contract"
    messages = contract["components"]["messages"]
    for action in ACTIONS:
        tag = str(action.__struct_config__.tag)
        schema = messages[tag]["payload"]
        fields = {field.encode_name for field in msgspec.structs.fields(action)} | {"action"}
        for field in sorted(fields ^ schema["properties"].keys()):
            yield f"action {tag}: {field} is in one of code and contract only"


def unexplained(contract: Mapping[str, Any]) -> Iterator[str]:
    """Fields and parameters without a meaning, and plain values without an example."""
    schemas = contract["components"]["schemas"]
    for name, schema in schemas.items():
        for field, found in schema.get("properties", {}).items():
            if "$ref" not in found and "description" not in found:
                yield f"{name}.{field} says no meaning"
            if kinds(found) & SCALARS and not found.keys() & {"example", "enum"}:
                yield f"{name}.{field} has no example"
    for name, found in contract["components"]["parameters"].items():
        if "description" not in found:
            yield f"parameter {name} says no meaning"


def _side(*, written: bool) -> str:
    return "in the contract" if written else "in the code"


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = list(findings())
    for line in found:
        print(f"contract: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
