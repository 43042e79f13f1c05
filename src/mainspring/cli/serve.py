"""``mainspring serve``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._workspace import Where  # noqa: TC001  # the parser reads these annotations
from mainspring.core.errors import InputError, Refused, quote

if TYPE_CHECKING:
    from mainspring.serve.settings import Settings
    from mainspring.serve.supervisor import Supervisor
    from mainspring.serve.wire import Plan
    from mainspring.workspace import Workspace

TOKEN = "MAINSPRING_TOKEN"  # noqa: S105  # the name of a variable
MIB = 1024 * 1024
DAY = 86_400


def serve(
    model: Annotated[str, Parameter(help="Such as churn, churn@challenger, churn/3, or a folder with a bundle.")],
    /,
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, Parameter(help="The port; 0 takes a free one; default: 8000.")] = None,
    workers: Annotated[int, Parameter(help="Processes that answer.")] = 1,
    token_file: Annotated[Path | None, Parameter(help=f"A file with the token; default: ${TOKEN}.")] = None,
    allow_host: Annotated[
        list[str] | None, Parameter(negative=(), help="A further name by which the endpoint may be called.")
    ] = None,
    durable: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Answer only when the prediction is on the disk: nothing is lost by a crash. Where the disk refuses "
            "it, the answer comes all the same, with the header x-mainspring-log: lost.",
        ),
    ] = False,
    log: Annotated[bool, Parameter(negative="--no-log", help="Keep a prediction log.")] = True,
    max_rows: Annotated[int, Parameter(help="Rows in one request at most.")] = 10_000,
    max_body: Annotated[int, Parameter(help="Megabytes of one request's body at most.")] = 16,
    timeout: Annotated[float, Parameter(help="Seconds one request may take to arrive, and to be answered.")] = 30.0,
    workspace: Where = None,
) -> None:
    """Answer predictions over HTTP, following the registry: whatever becomes champion is served within two seconds.

    Routes: /predict, Open Inference V2, /invocations and /ping, /labels, /metrics, /openapi.json, and a page at /.
    """
    from mainspring.registry import parse_reference
    from mainspring.serve.notices import Notices
    from mainspring.serve.origin import Origin, Packed, Registered
    from mainspring.serve.settings import Limits, Settings
    from mainspring.serve.supervisor import Supervisor

    if min(workers, max_rows, max_body) <= 0:
        raise InputError("--workers, --max-rows and --max-body must be above 0.")
    if not 0 < timeout <= DAY:  # nor is it NaN
        raise InputError(f"--timeout must be above 0 and at most {DAY:,} seconds, got {timeout:g}.")
    where = _Place(workspace)
    limits = Limits(
        body=max_body * MIB, rows=max_rows, timeout=timeout, bodies=max(4 * max_body, 64) * MIB
    )  # fmt: skip
    origin: Origin
    notices: Notices | None = None
    folder = Path(model)
    if (folder / "manifest.json").is_file():
        name, root = _packed_name(folder), None
        origin = Packed(folder)
    else:
        reference = parse_reference(model)
        name, root = reference.name, where.root()
        registered = Registered(where.open, reference)
        origin, notices = registered, Notices(where.open, name)
    settings = _settings(
        Settings, model=name, reference=model, host=host, port=port, workers=workers, token_file=token_file,
        allow_host=allow_host, limits=limits, durable=durable, root=root, is_logged=log,
    )  # fmt: skip

    def ready(supervisor: Supervisor, plan: Plan) -> None:
        text = f"{name}/{plan.champion.version} answers at {supervisor.address} (page and docs: {supervisor.address}/)"
        print(text, file=sys.stderr)

    Supervisor(settings, origin, notices=notices).run(ready)


class _Place:
    """The workspace, found at once and opened when it is needed, so that workers can start meanwhile."""

    def __init__(self, where: Path | None) -> None:
        self._where = where
        self._opened: Workspace | None = None

    def root(self) -> Path:
        """Its folder."""
        from mainspring.workspace import FOLDER

        named = self._where or self._beside()
        if named is not None:
            return (named / FOLDER if (named / "mainspring.toml").is_file() else named).absolute()
        from mainspring.project import Project

        project = Project.find()
        return project.root / (project.contract.project.workspace or FOLDER)

    def open(self) -> Workspace:
        """The workspace, which must be there."""
        if self._opened is None:
            from mainspring.cli._workspace import opened

            self._opened = opened(self._where or self._beside())
        return self._opened

    @staticmethod
    def _beside() -> Path | None:
        """The workspace in this folder, where there is no project around it."""
        from mainspring.workspace import FOLDER

        here = Path.cwd()
        named = any((folder / "mainspring.toml").is_file() for folder in (here, *here.parents))
        return here / FOLDER if not named and (here / FOLDER / "workspace.json").is_file() else None


def _packed_name(folder: Path) -> str:
    from mainspring import package

    return package.read(folder).manifest.name


def _settings(
    kind: type[Settings], *, host: str | None, port: int | None, token_file: Path | None, allow_host: list[str] | None,
    root: Path | None, is_logged: bool, **more: Any,
) -> Settings:  # fmt: skip
    from mainspring.serve.guard import names_of

    platform = _platform()
    address = host or platform.get("host", "127.0.0.1")
    token = _token(token_file)
    _bind_safely(address, token, is_guarded="host" in platform and host is None)
    return kind(
        host=address,
        port=port if port is not None else int(platform.get("port", 8000)),
        token=token,
        hosts=names_of(address, tuple(allow_host or ())),
        workspace=None if root is None else str(root),
        spool=str(root / "spool") if root is not None and is_logged else None,
        predict_route=platform.get("predict"),
        health_route=platform.get("health"),
        **more,
    )


def _platform() -> dict[str, Any]:
    """What Vertex AI or SageMaker asks of a container. Their network is closed, and who may call is their affair."""
    environment = os.environ
    if port := environment.get("AIP_HTTP_PORT"):
        found = {
            "predict": environment.get("AIP_PREDICT_ROUTE") or None,
            "health": environment.get("AIP_HEALTH_ROUTE") or None,
        }
        return {"host": "0.0.0.0", "port": _port(port), **found}  # noqa: S104  # the platform reaches us from outside
    if port := environment.get("SAGEMAKER_BIND_TO_PORT"):
        return {"host": "0.0.0.0", "port": _port(port)}  # noqa: S104
    return {}


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise InputError(f"Expected a port from 0 to 65535, got {quote(text)}.")
    return int(text)


def _token(file: Path | None) -> str | None:
    if file is None:
        given = os.environ.get(TOKEN, "")
        if given and not given.strip():
            raise InputError(f"{TOKEN} is blank; expected a token in it.")
        return given.strip() or None
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the token in {file}: {getattr(error, 'strerror', None) or error}.") from None
    if not token:
        raise InputError(f"{file} is empty; expected a token in it.")
    return token


def _bind_safely(host: str, token: str | None, *, is_guarded: bool) -> None:
    from mainspring.serve.guard import is_loopback

    if not is_loopback(host) and token is None and not is_guarded:
        raise Refused(
            f"An endpoint on {host} can be reached from other machines, so it needs a token: write one into a file "
            f"(head -c 32 /dev/urandom | base64 > token) and give it with --token-file token, or set {TOKEN}."
        )
