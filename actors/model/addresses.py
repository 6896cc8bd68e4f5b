"""Where actors live and what their journal streams are called: one spelling for everybody."""


def broker_address(exchange: str) -> str:
    """The broker of an exchange account."""
    return f"broker/{exchange}"


def position_address(exchange: str, symbol: str) -> str:
    """The position actor of a symbol; its journal stream has the same name."""
    return f"position/{exchange}/{symbol.replace('/', '-')}"
