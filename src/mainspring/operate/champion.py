"""A model in force, with what it takes to watch it: a reference of its data, and its record on unseen rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mainspring.monitor.baseline import PREDICTION, Baseline, prediction_frame
from mainspring.monitor.profile import Reference
from mainspring.operate.diagnosis import importance
from mainspring.operate.fold import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.monitor.signals import Judgement
    from mainspring.monitor.stream import LossStream
    from mainspring.train.model import Model


_DOUBT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The model that answers.

    ``reference`` holds the rows it stands for, ``baseline`` what it was worth on rows it had not seen (None where
    none were there); ``own`` says that the answers in that record are this very model's, not those of its like on
    earlier rows. ``since``: the window from which on it answers. ``before``: the champion it took over from, as long
    as the new one is on trial. ``stream``: the state of its loss stream.
    """

    model: Model
    version: int
    reference: Reference
    baseline: Baseline | None
    importance: Mapping[str, float]
    since: int = 0
    own: bool = False
    before: Champion | None = None
    stream: LossStream | None = None

    def settled(self) -> Champion:
        """The same champion, no longer on trial."""
        return replace(self, before=None)

    def after(self, found: Judgement) -> tuple[Champion, Judgement]:
        """The champion after a window was judged, and what of the judgement counts.

        As long as it is not known how this very model answers, what it answers is not called unusual.
        """
        champion = self if found.stream is None else replace(self, stream=found.stream)
        if self.own:
            return champion, found
        kept = tuple(signal for signal in found.signals if signal.column not in OUTPUTS)
        return champion, replace(found, signals=kept)

    def known_by(self, said: Predictions) -> Champion:
        """The same champion, whose answers are from now on compared with what it *said* of a first window.

        Models fitted to other rows spread their scores differently: how the like of a model answered says what it is
        worth, but not how it will answer.
        """
        if self.own or self.baseline is None or not len(said):
            return self
        return self.answering(Reference.fit(prediction_frame(said, positive=self.baseline.positive)))

    def answering(self, answers: Reference) -> Champion:
        """The same champion, known to answer as in *answers*."""
        if self.baseline is None:
            return replace(self, own=True)
        # what is expected of an answer was learned in the old bins of answers; what the columns tell still holds
        losses = {
            name: replace(found, parts={column: part for column, part in found.parts.items() if column != PREDICTION})
            for name, found in self.baseline.losses.items()
        }
        return replace(self, baseline=replace(self.baseline, predictions=answers, losses=losses), own=True)


def crown(
    model: Model,
    contract: Contract,
    rows: pl.DataFrame,
    *,
    version: int,
    unseen: pl.DataFrame | None = None,
    predictions: Predictions | None = None,
    metrics: Sequence[str] = (),
    since: int = 0,
    before: Champion | None = None,
    window: int | None = None,
) -> Champion:
    """Put *model* in force.

    *rows*: the data it stands for, of which *window* rows make a usual window. *unseen* and *predictions*: labelled
    rows that it had not learned from and what it (or its probe) said of them. *metrics*: what is followed on live
    windows.
    """
    watched = [name for name in model.encoder.columns if name in rows.columns]
    reference = Reference.fit(rows.select(watched), contract=contract, window=window)
    return Champion(
        model=model,
        version=version,
        reference=reference,
        baseline=_baseline(contract, reference, unseen, predictions, metrics),
        importance=importance(model),
        since=since,
        before=None if before is None else before.settled(),
    )


def _baseline(
    contract: Contract,
    reference: Reference,
    unseen: pl.DataFrame | None,
    predictions: Predictions | None,
    metrics: Sequence[str],
) -> Baseline | None:
    if unseen is None or predictions is None or not len(unseen):
        return None
    truth = unseen[contract.project.target]
    if truth.null_count() == len(truth):
        return None
    found = Baseline.fit(
        truth,
        predictions,
        metrics=metrics or None,
        frame=unseen,
        reference=reference,
        cost=contract.cost,
        positive=contract.project.positive,
    )
    # the mean loss of a few hundred rows is itself uncertain, and the loss stream adds up whatever exceeds it
    return replace(found, loss=found.loss + _DOUBT * found.loss_deviation / math.sqrt(max(found.rows, 1)))


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive rows as one, even where a later model knows more classes."""
    import numpy as np

    from mainspring.core.predictions import Predictions as Joined

    values = np.concatenate([part.values for part in parts])
    if any(part.scores is None or part.classes is None for part in parts):
        return Joined(values, None, parts[0].classes)
    classes: list[Any] = []
    for part in parts:
        classes += [label for label in part.classes or () if label not in classes]
    if all(part.classes == parts[0].classes for part in parts):
        return Joined(values, np.concatenate([part.scores for part in parts]), parts[0].classes)
    wide = np.zeros((len(values), len(classes)))
    begin = 0
    for part in parts:
        places = [classes.index(label) for label in part.classes or ()]
        wide[begin : begin + len(part)][:, places] = part.scores
        begin += len(part)
    return Joined(values, wide, tuple(classes))
