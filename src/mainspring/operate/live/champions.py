"""The versions of a served model, each with what it takes to watch it, as they were packaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from mainspring.contract.metric import METRICS
from mainspring.core.errors import InputError
from mainspring.registry import CHAMPION, Registry

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.operate.champion import Champion
    from mainspring.package import Bundle
    from mainspring.train.model import Model
    from mainspring.workspace import Workspace


class LazyModel:
    """The model of a bundle, which is not unpacked before it is asked: watching needs no answers but the logged."""

    def __init__(self, bundle: Bundle) -> None:
        """Unpack *bundle* when needed."""
        self._bundle = bundle

    @cached_property
    def _model(self) -> Model:
        return self._bundle.model()

    def predict(self, frame: pl.DataFrame) -> Predictions:
        """What the model says of every row."""
        return self._model.predict(frame)

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of the model."""
        return getattr(self._model, name)


@dataclass(frozen=True, slots=True)
class Known:
    """A loaded version and held-out rows that travelled with it."""

    champion: Champion
    examples: pl.DataFrame


class Champions:
    """Loads versions of the model *name*, each once."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Look them up in the registry of *workspace*."""
        self.registry = Registry(workspace)
        self.name = name
        self._known: dict[int, Known] = {}
        self._history = tuple(one for one in self.registry.history(name) if one.alias == CHAMPION)

    def at(self, moment: datetime) -> int:
        """The version that was champion at that time; the newest of all where there was none."""
        before = [one.after for one in self._history if one.time <= moment and one.after is not None]
        return before[-1] if before else self.registry.versions(self.name)[0].version

    @property
    def now(self) -> int | None:
        """The present champion."""
        return self._history[-1].after if self._history else None

    def news(self, since: datetime, until: datetime) -> str:
        """Words on a version that went live between these times, empty where none did. The first one is no news."""
        for change in reversed(self._history):
            if since <= change.time < until and change.before is not None and change.after is not None:
                return f"version {change.after} went live at {change.time:%Y-%m-%d %H:%M}"
        return ""

    def get(self, version: int) -> Known:
        """A version, ready to be held against what it answered.

        Raises StoreError where its bundle is damaged, InputError where it carries nothing to hold windows against.
        """
        if version not in self._known:
            self._known[version] = self._load(version)
        return self._known[version]

    def _load(self, version: int) -> Known:
        from mainspring.monitor.baseline import Baseline
        from mainspring.monitor.profile import Reference
        from mainspring.operate.champion import Champion
        from mainspring.operate.diagnosis import importance

        bundle = self.registry.load(f"{self.name}/{version}")
        profile = bundle.json("profile.json")
        if profile is None:
            raise InputError(
                f"{self.name}/{version} carries no profile of the data that it was made from, so its windows cannot be "
                "judged. Release it again: mainspring run"
            )
        model = LazyModel(bundle)
        baseline, shares = profile.get("baseline"), profile.get("importance")
        champion = Champion(
            model=cast("Model", model),
            version=version,
            reference=Reference.from_dict(profile["reference"]),
            baseline=None if baseline is None else Baseline.from_dict(baseline),
            importance=importance(bundle.model()) if shares is None else shares,
            own=bool(profile.get("own", True)),
        )
        return Known(champion, bundle.examples()[0])


def headline(contract: Contract) -> str:
    """What models are compared by: the first quality metric the contract demands of all rows, else the rehearsal's."""
    from mainspring.operate.backtest import default_metric

    for one in contract.requirements:
        plain = not one.where and one.each is None and one.by is None
        if one.priority == "must" and plain and METRICS[one.metric].kind == "quality":
            return one.metric
    return default_metric(contract.project.task)
