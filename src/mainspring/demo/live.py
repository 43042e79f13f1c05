"""The live demo: the second simulated year goes through a real endpoint over HTTP, and a real loop looks after it.

Time is sped up: a week of applications passes in about a second. Windows are cut by rows, because the prediction log
tells the time of this machine. The outcomes of a week come two weeks later. While a model is retrained the simulated
world waits; that is too short for a stop of the traffic, which is judged by windows of five real minutes.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import MainspringError
from mainspring.demo import truth
from mainspring.demo.loans import simulate
from mainspring.demo.replay import Answer, Client, Endpoint, requests
from mainspring.demo.story import contract_text
from mainspring.demo.truth import Finding, Found
from mainspring.operate.live.loop import LiveLoop
from mainspring.operate.release import release
from mainspring.project import Project
from mainspring.serve.log.compact import compact, finish_spools

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from mainspring.demo.loans import History
    from mainspring.ledger.ports.incidents import Incident
    from mainspring.operate.live.loop import Round
    from mainspring.workspace import Workspace

WINDOW = 420
"""About a week of applications."""
LATE = 2
"""Outcomes are known so many windows later."""
MODEL = "loans"
_ROLLOUT = """
[rollout]
steps = [25, 100]
hold = "1s"
minimum_rows = 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A window that has passed: where it stands, from when its rows are, what the loop did, and who answered."""

    place: int
    windows: int
    start: datetime
    end: datetime
    rows: int
    opened: tuple[Incident, ...]
    open: int
    done: tuple[str, ...]
    versions: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStory:
    """What the live demo found, and what became of the requests.

    ``others``: incidents without an event; ``service``: those about the endpoint itself, which are of this machine and
    not of the simulated world. ``recovered``: simulated days from the concept change until all was answered by a model
    that had learned it, None where none did. ``swaps``: how often another version took over while requests came in.
    """

    findings: tuple[Finding, ...]
    others: tuple[Found, ...]
    service: tuple[Found, ...]
    sent: int
    answered: int
    dropped: int
    swaps: int
    recovered: float | None
    seconds: float
    lived: tuple[Lived, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "simulated": True,
            "events": [finding.as_dict() for finding in self.findings],
            "found": sum(finding.incident is not None for finding in self.findings),
            "incidents_without_an_event": len(self.others),
            "incidents_of_the_service": len(self.service),
            "requests": {"sent": self.sent, "answered": self.answered, "dropped": self.dropped},
            "swaps": self.swaps,
            "days_to_recover": self.recovered,
            "seconds": self.seconds,
        }


def play(folder: Path, *, seed: int = 7, watch: Callable[[Lived], None] | None = None) -> LiveStory:
    """Make a project in the new *folder*, serve its model, and let the second simulated year pass through it."""
    begun = time.monotonic()
    history = simulate(seed=seed)
    half = len(history.frame) // 2
    project = _project(folder, history.frame[:half])
    with ExitStack() as stack:
        workspace = stack.enter_context(project.workspace())
        _first_model(project, workspace)
        endpoint = stack.enter_context(Endpoint(folder, MODEL))
        client = stack.enter_context(Client(endpoint.address))
        stage = _Stage(project, workspace, client, history)
        rest = history.frame[half:]
        count = len(rest) // WINDOW
        for place in range(count):
            lived = stage.pass_window(place, count, rest[place * WINDOW : (place + 1) * WINDOW])
            if watch is not None:
                watch(lived)
        return stage.told(time.monotonic() - begun)


def _project(folder: Path, first_year: pl.DataFrame) -> Project:
    folder.mkdir(parents=True)
    text = re.sub(
        r'window = ".*"\nlabel_delay = ".*"', f"window = {WINDOW}\nlabel_delay = {LATE * WINDOW}", contract_text()
    )
    text = re.sub(r'cooldown = ".*"', "cooldown = 2", text) + _ROLLOUT
    (folder / "mainspring.toml").write_text(text, "utf-8")
    (folder / "pipeline.py").write_text((files("mainspring.demo") / "pipeline.txt").read_text("utf-8"), "utf-8")
    first_year.write_parquet(folder / "applications.parquet")
    return Project.find(folder)


def _first_model(project: Project, workspace: Workspace) -> None:
    """The pipeline's model becomes the champion, as by ``mainspring run``."""
    from mainspring.flow import engine

    result = engine.run(project, workspace=workspace)
    result.check()
    with project.active():
        model, parts = result.value("model"), result.value("parts")
    made = release(project, workspace, model=model, split=parts, run=result.run)
    if not made.promoted:
        raise MainspringError(f"The first model of the demo did not go live: {made.reason}.")


class _Stage:
    """The endpoint, the loop and the world around them."""

    def __init__(self, project: Project, workspace: Workspace, client: Client, history: History) -> None:
        self._workspace, self._client, self._history = workspace, client, history
        self._loop = LiveLoop(project, workspace, grace=timedelta(0))
        self._features = [name for name in history.frame.columns if name not in ("defaulted", "applied")]
        self._unlabelled: list[list[dict[str, Any]]] = []
        self._known: set[int] = set()
        self._found: list[tuple[int, datetime]] = []
        self._lived: list[Lived] = []

    def pass_window(self, place: int, windows: int, rows: pl.DataFrame) -> Lived:
        """The rows of a window come in one by one, labels of the one before arrive, and the loop has a look."""
        answers = self._client.predict(requests(rows, self._features))
        self._unlabelled.append(_labels(answers, rows))
        if len(self._unlabelled) > LATE:
            self._client.label(self._unlabelled.pop(0))
        finish_spools(self._workspace, MODEL)
        compact(self._workspace, MODEL)
        end = rows["applied"][-1]
        lived = self._seen(place, windows, rows, answers, self._loop.once())
        self._found += [(incident.id, end) for incident in lived.opened]
        self._lived.append(lived)
        return lived

    def told(self, seconds: float) -> LiveStory:
        """The end of the story."""
        incidents = self._workspace.ledger.incidents
        found = [Found(incidents.get(number), moment) for number, moment in self._found]
        main = [max(lived.versions, key=lambda version: lived.versions[version]) for lived in self._lived]
        released = [
            lived.end for lived, now, then in zip(self._lived[:-1], main[:-1], main[1:], strict=True) if then > now
        ]
        world = [one for one in found if one.incident.kind != "service"]
        findings, others = truth.compare(self._history.events, world, released)
        turn = truth.midnight(self._history.events[-1].start)
        mended = next((moment for moment in released if moment >= turn), None)
        client = self._client
        return LiveStory(
            findings=findings,
            others=others,
            service=tuple(one for one in found if one.incident.kind == "service"),
            sent=client.sent,
            answered=client.answered,
            dropped=client.dropped,
            swaps=sum(now != then for now, then in pairwise(main)),
            recovered=None if mended is None else (mended - turn).total_seconds() / 86_400,
            seconds=round(seconds, 1),
            lived=tuple(self._lived),
        )

    def _seen(self, place: int, windows: int, rows: pl.DataFrame, answers: list[Answer], round_: Round) -> Lived:
        watched = round_.watched
        versions: dict[int, int] = {}
        for answer in answers:
            versions[answer.version] = versions.get(answer.version, 0) + 1
        return Lived(
            place=place + 1,
            windows=windows,
            start=rows["applied"][0],
            end=rows["applied"][-1],
            rows=len(rows),
            opened=() if watched is None else watched.opened,
            open=0 if watched is None else len(watched.incidents),
            done=round_.done,
            versions=versions,
        )


def _labels(answers: list[Answer], rows: pl.DataFrame) -> list[dict[str, Any]]:
    truth_of = rows["defaulted"].to_list()
    return [{"id": answer.id, "label": label} for answer, label in zip(answers, truth_of, strict=True) if answer.id]
