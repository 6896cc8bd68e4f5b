"""Health, metrics and the contract: open to everyone who can reach the service."""

from functools import lru_cache
from importlib.resources import files

import msgspec
import yaml

from web.call import Answer, Call, answer_json
from web.problems import NotReadyEntry, ProblemError, problem
from web.routes.docs import page
from web.services import Services

_PAGE_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@lru_cache(maxsize=1)
def contract() -> dict[str, object]:
    """The contract as it is written down."""
    text = files("web.contract").joinpath("openapi.yaml").read_text("utf-8")
    loaded: dict[str, object] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return loaded


@lru_cache(maxsize=1)
def _contract_json() -> bytes:
    return msgspec.json.encode(contract())


@lru_cache(maxsize=1)
def _contract_page() -> bytes:
    return page(contract()).encode()


async def health(services: Services, call: Call) -> Answer:
    """The process is alive."""
    return answer_json({"status": "ok", "version": services.settings.version})


async def readiness(services: Services, call: Call) -> Answer:
    """Whether the service takes orders."""
    missing = services.port.readiness()
    if not missing:
        return answer_json({"status": "ready"})
    entries = tuple(NotReadyEntry(each.what, each.why) for each in missing)
    detail = "; ".join(f"{each.what}: {each.why}" for each in missing)
    raise ProblemError(problem("NOT_READY", detail, not_ready=entries))


async def metrics(services: Services, call: Call) -> Answer:
    """The metrics in Prometheus' text format."""
    return Answer(200, services.metrics.text(), b"text/plain; version=0.0.4; charset=utf-8")


async def openapi(services: Services, call: Call) -> Answer:
    """The contract as JSON."""
    return Answer(200, _contract_json())


async def docs(services: Services, call: Call) -> Answer:
    """The contract as a page."""
    headers = ((b"content-security-policy", _PAGE_POLICY),)
    return Answer(200, _contract_page(), b"text/html; charset=utf-8", headers)
