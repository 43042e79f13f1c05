"""Which handler answers which path."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve import inference, invocations
from mainspring.serve.exchange import Reply, unkept
from mainspring.serve.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mainspring.serve.app import App
    from mainspring.serve.endpoint import Asked
    from mainspring.serve.exchange import Request
    from mainspring.serve.traffic import Deployment

    Handler = Callable[[Request], Awaitable[Reply]]

MODEL = re.compile(r"/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(/(?P<verb>infer|ready))?/?")
MODEL_ROUTE = "/v2/models/{model_name}"


class Routes:
    """The handlers of one application."""

    def __init__(self, app: App) -> None:
        """Lay out the table; a platform's own routes stand beside ours, or in their place."""
        self._app = app
        settings = app.settings
        get = {
            "/": self._page,
            "/docs": self._page,
            "/openapi.json": self._openapi,
            "/metrics": self._metrics,
            "/health": self._health,
            "/ping": self._ping,
            "/version": self._version,
            "/v2": self._server,
            "/v2/": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/v2/models": self._models,
        }
        post = {"/predict": app.predict, "/invocations": self._invocations, "/labels": self._labels}
        if settings.health_route:
            get[settings.health_route] = self._ping
        if settings.predict_route:
            post[settings.predict_route] = self._invocations
        self._table: dict[str, dict[str, Handler]] = {
            path: {"GET": handler, "HEAD": handler} for path, handler in get.items()
        }
        for path, handler in post.items():
            self._table.setdefault(path, {})["POST"] = handler

    def find(self, request: Request) -> Handler:
        """The handler of a request. Raises Problem 404 or 405."""
        methods = self._table.get(request.path)
        route = request.path
        if methods is None:
            methods, route = self._of_model(request.path)
        if methods is None:
            raise Problem(404, f"There is no {request.path[:200]} here. See /docs.")
        request.route = route
        handler = methods.get(request.method)
        if handler is None:
            allowed = ", ".join(sorted(methods))
            raise Problem(405, f"{route} takes {allowed}.", headers={"allow": allowed})
        return handler

    def scores(self, path: str) -> bool:
        """Whether a POST to *path* asks for predictions."""
        methods = self._table.get(path) or self._of_model(path)[0] or {}
        return methods.get("POST", self._labels) != self._labels

    def _of_model(self, path: str) -> tuple[dict[str, Handler] | None, str]:
        found = MODEL.fullmatch(path)
        if found is None:
            return None, ""
        name, version = found["name"], found["version"]
        if found["verb"] == "infer":
            return {"POST": partial(self._infer, name=name, version=version)}, f"{MODEL_ROUTE}/infer"
        handler = partial(self._model_ready if found["verb"] else self._metadata, name=name, version=version)
        route = f"{MODEL_ROUTE}/ready" if found["verb"] else MODEL_ROUTE
        return {"GET": handler, "HEAD": handler}, route

    # our own

    async def _page(self, request: Request) -> Reply:
        from mainspring.serve.page import POLICY, page

        text = page(self._app.endpoint.live())
        return Reply(text.encode(), kind="text/html; charset=utf-8", headers={"content-security-policy": POLICY})

    async def _openapi(self, request: Request) -> Reply:
        from mainspring.serve.openapi import document

        return _json(document(self._app.endpoint.live(), self._app.settings))

    async def _metrics(self, request: Request) -> Reply:
        from mainspring.serve.prometheus import exposition

        text, kind = exposition(self._app, request.headers.get(b"accept", b"").decode("latin-1"))
        return Reply(text, kind=kind)

    async def _health(self, request: Request) -> Reply:
        live = self._app.endpoint.deployment
        if live is None or self._app.is_ending:
            return _json({"status": "ending" if self._app.is_ending else "loading"}, 503)
        said: dict[str, Any] = {"status": "ok", "model": live.champion.name, "version": live.champion.version}
        # it answers, but not what the model would say to whole rows; what is told here needs no key, so no more of it
        if live.fallback is not None:
            said["fallback"] = True
        elif aside := live.asides.get(live.champion.version):
            said["aside"] = len(aside.columns)
        return _json(said)

    async def _version(self, request: Request) -> Reply:
        from mainspring.core.version import VERSION

        return Reply(VERSION.encode(), kind="text/plain; charset=utf-8")

    async def _labels(self, request: Request) -> Reply:
        from mainspring.serve.labelling import take

        return await take(self._app, request)

    # the scoring contract

    async def _ping(self, request: Request) -> Reply:
        is_up = self._app.endpoint.deployment is not None and not self._app.is_ending
        return Reply(b"", 200 if is_up else 503, kind="text/plain; charset=utf-8")

    async def _invocations(self, request: Request) -> Reply:
        app = self._app
        kind = request.headers.get(b"content-type", b"").decode("latin-1")
        if request.path == app.settings.predict_route and not kind:
            kind = "application/json"  # what a platform forwards

        def read() -> Asked:
            live = app.endpoint.live()
            limits = app.limits
            rows = invocations.read(request.body, kind, live.champion, most=limits.rows, room=limits.body)
            return app.endpoint.ask_rows(live, rows, request.identity)

        asked, body, kept = await app.work(request, read, invocations.render)
        headers = {"x-prediction-id": asked.identity, "x-model-version": str(asked.served.version)}
        return Reply(body, headers=headers | unkept(kept))

    # Open Inference V2

    async def _server(self, request: Request) -> Reply:
        from mainspring.core.version import VERSION

        return _json({"name": "mainspring", "version": VERSION, "extensions": inference.EXTENSIONS})

    async def _live(self, request: Request) -> Reply:
        return _json({"live": True})

    async def _ready(self, request: Request) -> Reply:
        if self._app.endpoint.deployment is None or self._app.is_ending:
            return _json({"error": "The model is not ready."}, 503)
        return _json({"ready": True})

    async def _models(self, request: Request) -> Reply:
        return _json({"models": [self._app.endpoint.live().champion.name]})

    async def _metadata(self, request: Request, *, name: str, version: str | None) -> Reply:
        live = self._app.endpoint.live()
        number = _known(live, name, version)
        served = live.champion if number is None else live.versions[number]
        return _json(inference.metadata(served, list(live.versions)))

    async def _model_ready(self, request: Request, *, name: str, version: str | None) -> Reply:
        _known(self._app.endpoint.live(), name, version)
        return _json({"name": name, "ready": True})

    async def _infer(self, request: Request, *, name: str, version: str | None) -> Reply:
        app = self._app
        live = app.endpoint.live()
        number = _known(live, name, version)
        header = request.headers.get(inference.SIZE_HEADER.encode())
        size = None if header is None else header.decode("latin-1")
        held: list[inference.Inference] = []

        def read() -> Asked:
            served = live.champion if number is None else live.versions[number]
            held.append(inference.read(request.body, size, served, most=app.limits.rows))
            return app.endpoint.ask_rows(live, held[0].rows, request.identity, version=number)

        def render(asked: Asked, scored: Any) -> inference.Inferred:
            return inference.render(held[0], asked, scored)

        _, inferred, kept = await app.work(request, read, render)
        if inferred.header_length is None:
            return Reply(inferred.body, headers=unkept(kept))
        headers = {inference.SIZE_HEADER: str(inferred.header_length)} | unkept(kept)
        return Reply(inferred.body, kind="application/octet-stream", headers=headers)


def _known(live: Deployment, name: str, version: str | None) -> int | None:
    """The number of a version that is loaded; None where none was asked for. Raises Problem 404."""
    if name != live.champion.name:
        raise Problem(404, f"There is no model {name[:200]!r} here; this endpoint serves {live.champion.name}.")
    if version is None:
        return None
    number = next((each for each in live.versions if str(each) == version), None)
    if number is None:
        known = ", ".join(str(each) for each in sorted(live.versions))
        raise Problem(404, f"Version {version[:40]} of {name} is not loaded here; loaded: {known}.")
    return number


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(msgspec.json.encode(value), status)
