"""Load one exchange of ccxt without the hundred others.

ccxt's packages import every exchange when they are imported: more than a second and a hundred megabytes. Here
the three package names are entered as plain namespaces, with the few names that its own modules take from
them, and only the modules of the wanted exchange are imported. If somebody imported ccxt before, that is used
as it is.
"""

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType

_ROOT = "ccxt"
_REST = "ccxt.async_support"
_STREAMS = "ccxt.pro"
_LOCK = threading.Lock()


class NoSuchExchange(LookupError):
    """ccxt has no exchange of this name with streams."""


def require(ccxt_id: str) -> None:
    """Raise NoSuchExchange unless ccxt has this exchange with streams. Imports nothing of ccxt."""
    if not Path(_folder(), "pro", f"{ccxt_id}.py").is_file():
        raise NoSuchExchange(f"ccxt has no exchange {ccxt_id!r} with streams")


def load(ccxt_id: str) -> type:
    """The class of an exchange with REST and streams. Blocks for a part of a second: call it in a thread."""
    with _LOCK:
        if _ROOT not in sys.modules:
            _enter_namespaces()
        if importlib.util.find_spec(f"{_STREAMS}.{ccxt_id}") is None:
            raise NoSuchExchange(f"ccxt has no exchange {ccxt_id!r} with streams")
        rest = sys.modules.get(_REST)
        if rest is None:
            rest = importlib.import_module(_REST)
        for name in _parents(ccxt_id):
            module = importlib.import_module(f"{_REST}.{name}")
            setattr(rest, name, getattr(module, name))
        streams = importlib.import_module(f"{_STREAMS}.{ccxt_id}")
        found = getattr(streams, ccxt_id)
        if not isinstance(found, type):
            raise NoSuchExchange(f"ccxt's {ccxt_id!r} is not an exchange")
        return found


def _parents(ccxt_id: str) -> tuple[str, ...]:
    """The REST modules that the stream module takes classes from: its own, and the one that it derives
    from.
    """
    families = ("binance", "bybit", "okx", "kucoin", "gate", "kraken", "htx", "coinbase")
    family = next((name for name in families if ccxt_id.startswith(name)), ccxt_id)
    return (family, ccxt_id) if family != ccxt_id else (ccxt_id,)


def _folder() -> str:
    if _ROOT in sys.modules:
        return str(sys.modules[_ROOT].__path__[0])
    spec = importlib.util.find_spec(_ROOT)
    if spec is None or not spec.submodule_search_locations:
        raise NoSuchExchange("ccxt is not installed")
    return spec.submodule_search_locations[0]


def _enter_namespaces() -> None:
    folder = _folder()
    root, rest, streams = ModuleType(_ROOT), ModuleType(_REST), ModuleType(_STREAMS)
    for module, place in ((root, folder), (rest, f"{folder}/async_support"), (streams, f"{folder}/pro")):
        module.__path__ = [place]
        sys.modules[module.__name__] = module
    setattr(root, "async_support", rest)  # noqa: B010 - attributes of a namespace made here
    setattr(root, "pro", streams)  # noqa: B010
    errors = importlib.import_module(f"{_ROOT}.base.errors")
    for name, value in vars(errors).items():
        if isinstance(value, type):
            setattr(root, name, value)
    setattr(root, "Exchange", importlib.import_module(f"{_ROOT}.base.exchange").Exchange)  # noqa: B010
