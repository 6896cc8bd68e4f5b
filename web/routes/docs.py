"""The contract as one page for people: no script, nothing loaded from elsewhere, a place to link to for
each code.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from web.problems import CODES

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0
1rem;color:#1b1f24;background:#fff} code,pre{font:14px/1.45
ui-monospace,monospace;background:#f3f4f6;border-radius:4px}code{padding:.1em .3em}
pre{padding:.8rem;overflow:auto;white-space:pre-wrap}table{border-collapse:collapse;width:100%;margin:.5rem
0} td,th{border-bottom:1px solid #d8dde3;padding:.3rem .5rem;text-align:left;vertical-align:top}
h2{margin-top:2.5rem}h3{margin-top:2rem}.method{font-weight:700}.muted{color:#57606a}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}code,pre{background:#161b22}
td,th{border-color:#30363d}.muted{color:#9198a1}a{color:#58a6ff}}
"""


def page(contract: Mapping[str, Any]) -> str:
    """The page of a contract."""
    return "\n".join(_lines(contract))


def _lines(contract: Mapping[str, Any]) -> Iterator[str]:
    info = contract["info"]
    yield "<!doctype html><html lang=en><head><meta charset=utf-8>"
    yield '<meta name=viewport content="width=device-width,initial-scale=1">'
    yield f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{html.escape(info['title'])} <span class=muted>{html.escape(info['version'])}</span></h1>"
    yield _prose(info["description"])
    yield '<p><a href="/openapi.json">openapi.json</a></p>'
    for tag in contract["tags"]:
        yield f"<h2>{html.escape(tag['name'])}</h2><p>{html.escape(tag['description'])}</p>"
        for path, item in contract["paths"].items():
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item and tag["name"] in item[method]["tags"]:
                    yield from _operation(contract, path, method, item)
    yield from _schemas(contract["components"]["schemas"])
    yield from _codes()
    yield "</body></html>"


def _operation(contract: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> Iterator[str]:
    operation = item[method]
    yield (
        f'<h3 id="{html.escape(operation["operationId"])}"><span class=method>{method.upper()}</span> '
        f"<code>{html.escape(path)}</code> {html.escape(operation['summary'])}</h3>"
    )
    yield _prose(operation.get("description", ""))
    parameters = [
        _resolve(contract, each) for each in (*item.get("parameters", ()), *operation.get("parameters", ()))
    ]
    if parameters:
        rows = [
            (f"<code>{html.escape(p['name'])}</code>", html.escape(p["in"]), html.escape(p["description"]))
            for p in parameters
        ]
        yield _table(("parameter", "in", "meaning"), rows)
    body = operation.get("requestBody")
    if body:
        yield f"<p>Body: {_type(body['content']['application/json']['schema'])}</p>"
    answers: list[tuple[str, str, str]] = []
    for status, answer in operation["responses"].items():
        found = _resolve(contract, answer)
        meaning = html.escape(found["description"])
        contents = found.get("content", {}).values()
        answers.extend((f"<code>{status}</code>", _type(content["schema"]), meaning) for content in contents)
    yield _table(("status", "body", "meaning"), answers)


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Bodies</h2>"
    for name, schema in schemas.items():
        yield f'<h3 id="schema-{name}"><code>{name}</code></h3>{_prose(schema.get("description", ""))}'
        required = schema.get("required", ())
        rows = [
            (
                f"<code>{field}</code>{'' if field in required else ' <span class=muted>optional</span>'}",
                _type(found),
                html.escape(found.get("description", "")),
                f"<code>{html.escape(json.dumps(found['example']))}</code>" if "example" in found else "",
            )
            for field, found in schema.get("properties", {}).items()
        ]
        if rows:
            yield _table(("field", "type", "meaning", "example"), rows)
        elif "enum" in schema:
            yield (
                "<p>" + " ".join(f"<code>{html.escape(str(each))}</code>" for each in schema["enum"]) + "</p>"
            )


def _codes() -> Iterator[str]:
    yield "<h2>Codes</h2>"
    rows = [
        (f'<code id="{code}">{code}</code>', str(kind.status), html.escape(kind.title))
        for code, kind in CODES.items()
    ]
    yield _table(("code", "usual status", "meaning"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f'<a href="#schema-{name}">{name}</a>'
    for word in ("allOf", "oneOf"):
        if word in schema:
            return " or ".join(_type(each) for each in schema[word])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kind = schema.get("type", "")
    return html.escape(" or ".join(kind) if isinstance(kind, list) else kind)


def _table(head: tuple[str, ...], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{each}</th>" for each in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _prose(text: str) -> str:
    paragraphs = html.escape(text.strip()).split("\n\n")
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph)


def _resolve(contract: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in found:
        return found
    node: Any = contract
    for step in found["$ref"].removeprefix("#/").split("/"):
        node = node[step]
    resolved: Mapping[str, Any] = node
    return resolved
