"""Answers that say no, in the shape that each protocol expects, and the head of every answer."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from mainspring.serve.problem import Problem

PREDICT = "/predict"
JSON = b"content-type: application/json\r\n"
MLFLOW_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}


class Refusal(NamedTuple):
    """An answer that says no: its status, its JSON, and further header lines, each with its end."""

    status: int
    body: bytes
    headers: bytes


def status_line(status: int) -> bytes:
    """The first line of an answer."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def refusal(problem: Problem, route: str) -> Refusal:
    """*problem* as *route* tells it.

    ``/v2`` takes ``{"error"}`` and knows no 422; ``/invocations`` takes the error JSON of MLflow; everything else
    ``{"error", "violations"}``.
    """
    status = problem.status
    body: dict[str, Any]
    if route.startswith("/v2"):
        status = 400 if status == 422 else status
        body = {"error": problem.message}
    elif route == "/invocations":
        body = {"error_code": MLFLOW_CODES.get(status, "INTERNAL_ERROR"), "message": problem.message}
        status = 400 if status == 422 else status
        if status == 413:
            body["error_code"] = "BAD_REQUEST"
    else:
        body = {"error": problem.message}
    if problem.violations:
        body["violations"] = problem.told()
    lines = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    return Refusal(status, msgspec.json.encode(body), lines.encode("latin-1", "replace"))
