"""What a change of the contract would break for a client that was written against the released one.

Within a major version the contract only grows. A client sends what it knows and ignores what it does not:
so requests may not demand or refuse more than before, and answers may not leave out what they had. Values
of an answer's enumeration may be added only where the contract says that new ones come (codes, order types).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
OPEN_ENUMERATIONS = frozenset({"OrderType", "ProblemCode", "WebhookEvent"})
"""Schemas whose descriptions say that new values may come."""


def breaks(released: Node, current: Node) -> Iterator[str]:
    """Each way in which a client of the released contract would break."""
    for path, item in released["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            where = f"{method.upper()} {path}"
            now = current["paths"].get(path, {}).get(method)
            if now is None:
                yield f"{where} is gone"
                continue
            yield from _operation(where, released, current, item, current["paths"][path], method)


def feed_breaks(released: Node, current: Node) -> Iterator[str]:
    """Each way in which a client of the released feeds would break; an action is what a client says."""
    now = {each["address"]: each for each in current["channels"].values()}
    for each in released["channels"].values():
        address = each["address"]
        if address not in now:
            yield f"{address} is gone"
            continue
        yield from (
            f"{address} no longer knows {name}"
            for name in sorted(each["messages"].keys() - now[address]["messages"].keys())
        )
    messages = current["components"]["messages"]
    for name, message in released["components"]["messages"].items():
        if name not in messages:
            yield f"the message {name} is gone"
            continue
        said = "action" in message["payload"]["properties"]
        comparison = (_Request if said else _Answer)(released, current)
        yield from comparison.compare(name, message["payload"], messages[name]["payload"])


def _operation(
    where: str, released: Node, current: Node, old_item: Node, new_item: Node, method: str
) -> Iterator[str]:
    old, new = old_item[method], new_item[method]
    yield from _parameters(
        where, _all(released, old_item, old), _all(current, new_item, new), released, current
    )
    old_body, new_body = _body(released, old), _body(current, new)
    if old_body is None and new_body is not None:
        yield f"{where} now wants a body"
    elif old_body is not None and new_body is not None:
        yield from _Request(released, current).compare(f"{where} body", old_body, new_body)
    for status, answer in old["responses"].items():
        now = new["responses"].get(status)
        if now is None:
            yield f"{where} no longer answers {status}"
            continue
        old_content = resolve(released, answer).get("content", {})
        new_content = resolve(current, now).get("content", {})
        for media, found in old_content.items():
            if media not in new_content:
                yield f"{where} {status} is no longer {media}"
                continue
            pair = found["schema"], new_content[media]["schema"]
            yield from _Answer(released, current).compare(f"{where} {status}", *pair)


def _parameters(
    where: str,
    old: Mapping[tuple[str, str], Node],
    new: Mapping[tuple[str, str], Node],
    released: Node,
    current: Node,
) -> Iterator[str]:
    for key, found in new.items():
        if key not in old and found.get("required"):
            yield f"{where} now wants the parameter {key[1]}"
    for key, found in old.items():
        if key not in new:
            yield f"{where} no longer knows the parameter {key[1]}"
            continue
        pair = found["schema"], new[key]["schema"]
        yield from _Request(released, current).compare(f"{where} parameter {key[1]}", *pair)


class _Comparison:
    """Walks two schemas side by side; a pair that is being compared already is not entered again."""

    def __init__(self, released: Node, current: Node) -> None:
        self.released = released
        self.current = current
        self._seen: set[tuple[str, str]] = set()

    def compare(self, where: str, old: Node, new: Node) -> Iterator[str]:
        """What breaks between the two."""
        name = str(old.get("$ref", "")).rsplit("/", 1)[-1]
        if name:
            key = (name, str(new.get("$ref", "")))
            if key in self._seen:
                return
            self._seen.add(key)
        old, new = merged(self.released, old), merged(self.current, new)
        yield from self.values(where, name, old, new)
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        yield from self.fields(where, old, new, old_fields, new_fields)
        for field in old_fields.keys() & new_fields.keys():
            yield from self.compare(f"{where}.{field}", old_fields[field], new_fields[field])
        if "items" in old and "items" in new:
            yield from self.compare(f"{where}[]", old["items"], new["items"])

    def values(self, where: str, name: str, old: Node, new: Node) -> Iterator[str]:
        """What breaks in type and enumeration."""
        raise NotImplementedError

    def fields(self, where: str, old: Node, new: Node, old_fields: Node, new_fields: Node) -> Iterator[str]:
        """What breaks in the fields of an object."""
        raise NotImplementedError


class _Request(_Comparison):
    """What a client sends: nothing that was taken may be refused."""

    def values(self, where: str, name: str, old: Node, new: Node) -> Iterator[str]:
        """Fewer types or values than before."""
        gone = kinds(old) - kinds(new)
        if gone:
            yield f"{where} no longer takes {', '.join(sorted(gone))}"
        if "enum" in new:
            lost = sorted(set(old.get("enum", ())) - set(new["enum"])) if "enum" in old else ["other values"]
            if lost:
                yield f"{where} no longer takes {', '.join(map(str, lost))}"
        for limit, tighter in (("maxLength", min), ("maxItems", min), ("maximum", min), ("minimum", max)):
            if limit in new and (limit not in old or tighter(old[limit], new[limit]) != old[limit]):
                yield f"{where} has a tighter {limit}"
        if new.get("pattern") != old.get("pattern") and "pattern" in new:
            yield f"{where} has another pattern"

    def fields(self, where: str, old: Node, new: Node, old_fields: Node, new_fields: Node) -> Iterator[str]:
        """Fields that are now wanted, or no longer known."""
        for field in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{where}.{field} is now required"
        for field in sorted(old_fields.keys() - new_fields.keys()):
            yield f"{where}.{field} is no longer known"


class _Answer(_Comparison):
    """What a client is told: nothing that it could rely on may be missing or new in kind."""

    def values(self, where: str, name: str, old: Node, new: Node) -> Iterator[str]:
        """More types or values than before."""
        more = kinds(new) - kinds(old)
        if more and kinds(old):
            yield f"{where} may now be {', '.join(sorted(more))}"
        if "enum" in old and name not in OPEN_ENUMERATIONS:
            added = sorted(set(new.get("enum", ())) - set(old["enum"])) if "enum" in new else ["anything"]
            if added:
                yield f"{where} may now be {', '.join(map(str, added))}"

    def fields(self, where: str, old: Node, new: Node, old_fields: Node, new_fields: Node) -> Iterator[str]:
        """Fields that are gone, or no longer always there."""
        for field in sorted(old_fields.keys() - new_fields.keys()):
            yield f"{where}.{field} is gone"
        for field in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
            yield f"{where}.{field} may now be missing"


def kinds(schema: Node) -> set[str]:
    """The JSON types that a schema allows, as far as it says."""
    found = schema.get("type")
    if found is None:
        return set()
    return {found} if isinstance(found, str) else set(found)


def merged(contract: Node, schema: Node) -> dict[str, Any]:
    """A schema with its references and its `allOf`, `oneOf` and `anyOf` parts taken in."""
    schema = resolve(contract, schema)
    whole: dict[str, Any] = {}
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found = merged(contract, part)
        both = kinds(whole) | kinds(found)
        whole = {**found, **whole}
        if both:
            whole["type"] = sorted(both)
    return {
        **whole,
        **{key: value for key, value in schema.items() if key not in {"allOf", "oneOf", "anyOf"}},
    }


def resolve(contract: Node, found: Node) -> Node:
    """What a reference stands for."""
    while "$ref" in found:
        node: Any = contract
        for step in found["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        found = node
    return found


def _all(contract: Node, item: Node, operation: Node) -> dict[tuple[str, str], Node]:
    listed: Sequence[Node] = (*item.get("parameters", ()), *operation.get("parameters", ()))
    resolved = [resolve(contract, each) for each in listed]
    return {(each["in"], each["name"]): each for each in resolved}


def _body(contract: Node, operation: Node) -> Node | None:
    if "requestBody" not in operation:
        return None
    found: Node = resolve(contract, operation["requestBody"])["content"]["application/json"]["schema"]
    return found
