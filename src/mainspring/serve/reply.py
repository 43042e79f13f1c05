"""Answers that say no, in the shape that each protocol expects, and the head of every answer."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.serve.problem import Problem

PREDICT = "/predict"
JSON = b"content-type: application/json\r\n"
TEXT = "text/plain; charset=utf-8"
MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}
"""What a status is called; the others from 500 on are errors of ours, those below of the client."""


class Refusal(NamedTuple):
    """An answer that says no: its status, its body, further header lines, each with its end, and the body's type."""

    status: int
    body: bytes
    headers: bytes
    kind: str = "application/json"


def status_line(status: int) -> bytes:
    """The first line of an answer."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def by_row(flags: Sequence[str | None]) -> dict[str, list[str]]:
    """The *flags* of several rows as an answer tells them: by the numbers of those rows that have any."""
    return {str(row): flag.split(",") for row, flag in enumerate(flags) if flag is not None}


def refusal(problem: Problem, route: str) -> Refusal:
    """*problem* as *route* tells it.

    ``/v2`` takes ``{"error"}`` and knows no 422; ``/invocations`` takes the error JSON of MLflow, and text where it
    does not take the kind of body; everything else ``{"error", "violations"}``.
    """
    status = problem.status
    lines = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items()).encode("latin-1", "replace")
    body: dict[str, Any]
    if route.startswith("/v2"):
        status = 400 if status == 422 else status
        body = {"error": problem.message}
    elif route == "/invocations":
        if status == 415:
            return Refusal(status, problem.message.encode(), lines, TEXT)
        code = MLFLOW_CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
        body = {"error_code": code, "message": problem.message}
        status = 400 if status == 422 else status
    else:
        body = {"error": problem.message}
    if problem.violations:
        body["violations"] = problem.told()
    return Refusal(status, msgspec.json.encode(body), lines)
