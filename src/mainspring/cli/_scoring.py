"""What scores a batch, as a command is told: a bundle in this process, or an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._model import bundle_and_version
from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.serve.batch.scored import Scoring


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Through:
    """An endpoint to score through, and how."""

    url: Annotated[str | None, Parameter(help="Score through the endpoint at this address (mainspring serve).")] = None
    token: Annotated[str | None, Parameter(help="The endpoint's token: env:NAME or file:PATH.")] = None
    request_rows: Annotated[int, Parameter(help="Rows of one request to the endpoint.")] = 1_000
    concurrency: Annotated[int, Parameter(help="Requests to the endpoint at a time.")] = 8
    any_version: Annotated[
        bool, Parameter(negative=(), help="Take answers of several versions; the column model_version tells them.")
    ] = False


def scoring_of(model: str, workspace: Path | None, through: Through) -> tuple[Scoring, dict[str, Any]]:
    """What scores as *model*, and what is told of it."""
    for name, value in (("--request-rows", through.request_rows), ("--concurrency", through.concurrency)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    if through.url is not None:
        return _remote(model, through.url, through)
    if through.token is not None or through.any_version:
        raise InputError("--token and --any-version are for an endpoint: name it with --url.")
    from mainspring.serve.batch.local import LocalScoring

    bundle, name, version = bundle_and_version(model, workspace)
    told = {"model": model, "version": version, "digest": bundle.digest, "form": bundle.manifest.form}
    return LocalScoring(bundle, name=name, version=version), told


def _remote(model: str, url: str, through: Through) -> tuple[Scoring, dict[str, Any]]:
    from mainspring.cli._output import err
    from mainspring.registry.reference import CHAMPION, parse_reference
    from mainspring.serve.batch.caller import Caller, is_local
    from mainspring.serve.batch.remote import RemoteScoring

    reference = parse_reference(model)
    if reference.alias not in (None, CHAMPION):
        raise InputError(
            f"An endpoint answers with the version that it serves. Name {reference.name}, or leave --url out."
        )
    token = None if through.token is None else _secret(through.token)
    caller = Caller(url, token=token, connections=through.concurrency)
    if token is not None and caller.url.startswith("http://") and not is_local(caller.url):
        err().print(
            f"{caller.url} is not encrypted: who is on the way can read the token", style="yellow", markup=False
        )
    try:
        scoring = RemoteScoring(
            caller,
            name=reference.name,
            version=reference.version,
            request_rows=through.request_rows,
            concurrency=through.concurrency,
            any_version=through.any_version,
        )
    except BaseException:
        caller.close()
        raise
    found = scoring.described
    return scoring, {"model": model, "version": found.version, "digest": found.digest, "url": caller.url}


def _secret(reference: str) -> str:
    """The token that *reference* stands for. Raises InputError for a token itself: the list of processes shows it."""
    from mainspring.operate.notify.failure import Undeliverable
    from mainspring.operate.notify.secret import resolve

    if not reference.startswith(("env:", "file:")):
        raise InputError(
            "Expected --token env:NAME or file:PATH, not a token itself: everybody on this machine could read it."
        )
    try:
        return resolve(reference)
    except Undeliverable as error:
        raise InputError(f"There is no token: {error}.") from None
