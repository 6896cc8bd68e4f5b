"""What can go wrong when talking to the service.

ClientError
 +- ApiError        the service answered with a problem
 +- Unreachable     the service did not answer
"""

from typing import Any

import msgspec

from web.problems import Problem


class ClientError(Exception):
    """The base of all errors of the client."""


class ApiError(ClientError):
    """The service answered with a problem: `status`, `code` and `detail` as in the contract."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.order_id = problem.order_id


class Unreachable(ClientError):
    """No answer came. What was asked may have been done, unless `unsent`."""

    def __init__(self, detail: str, *, unsent: bool) -> None:
        super().__init__(detail)
        self.unsent = unsent


def problem_of(status: int, body: bytes) -> Problem:
    """The problem in an answer; one that is no problem document becomes one."""
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        text: Any = body[:200].decode("utf-8", "replace")
        return Problem(
            type="about:blank", title="No problem document", status=status, code="INTERNAL", detail=text
        )
