"""A test client that checks every answer against the contract."""

import re

import yaml
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ops.lint.contract import ROOT

CONTRACT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
_REGISTRY = Registry().with_resource("urn:contract", Resource(contents=CONTRACT, specification=DRAFT202012))
_PATHS = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z"), item) for path, item in CONTRACT["paths"].items()
]


def resolved(found):
    while "$ref" in found:
        node = CONTRACT
        for step in found["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        found = node
    return found


async def check(method, path, answer):
    """Raise if the contract does not know this answer."""
    bare = path.split("?")[0]
    content_type = answer.content_type.split(";")[0]
    body = await answer.get_data(as_text=False)
    item = next((item for pattern, item in _PATHS if pattern.match(bare)), None)
    if item is None or method.lower() not in item:
        assert answer.status_code in {404, 405}
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    else:
        responses = item[method.lower()]["responses"]
        content = resolved(responses.get(str(answer.status_code), responses["default"]))["content"]
    assert content_type in content, f"{method} {path} {answer.status_code}: {content_type} {body[:200]}"
    assert answer.headers.get("X-Content-Type-Options") == "nosniff"
    assert answer.headers.get("Cache-Control") == "no-store"
    if content_type.endswith("json"):
        schema = dict(content[content_type]["schema"])
        if "$ref" in schema:
            schema["$ref"] = "urn:contract" + schema["$ref"]
        validator = OAS31Validator(schema, registry=_REGISTRY)
        found = await answer.get_json(force=True)
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)]
        assert not errors, f"{method} {path} {answer.status_code}: {errors} {body[:300]}"


class ValidatingClient:
    """Quart's test client; every answer is checked."""

    def __init__(self, client):
        self._client = client

    async def open(self, method, path, **more):
        answer = await self._client.open(path, method=method, **more)
        if method != "HEAD":
            await check(method, path, answer)
        return answer

    def __getattr__(self, name):
        async def send(path, **more):
            return await self.open(name.upper(), path, **more)

        return send
