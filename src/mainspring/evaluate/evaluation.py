"""Everything that was found out about a model on one set of rows, as one value that can be stored and read back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

# the types are needed while running: from_dict reads a stored evaluation by them
from mainspring.contract.requirement import Stage  # noqa: TC001
from mainspring.contract.verdict import Verdict  # noqa: TC001
from mainspring.core.errors import InputError
from mainspring.core.estimate import Estimate  # noqa: TC001
from mainspring.core.task import Task  # noqa: TC001
from mainspring.evaluate.behaviour import Behaviour  # noqa: TC001
from mainspring.evaluate.group import Fairness  # noqa: TC001
from mainspring.evaluate.slices import Slices
from mainspring.evaluate.threshold import Threshold  # noqa: TC001

FORMAT = 1
"""Raised where a reader of the old form would misread the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassQuality:
    """How one class is recognised: against all others, on the rows that are truly of it (``support``)."""

    label: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Rows counted by true (down) and predicted (across) label, as the model decides."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model is worth on rows it did not learn from.

    ``metric`` names the headline metric: the first quality requirement's, else the task's usual one. ``baseline`` is
    what a constant answer scores on the same rows. ``gains`` says by how much the model beats the champion (above
    zero: it does), paired on the same rows. ``classes`` are label texts; the last of two is the ``positive`` one.
    ``rows`` had a known truth, ``unlabelled`` had none.
    """

    task: Task
    target: str
    stage: Stage
    rows: int
    metric: str
    unlabelled: int = 0
    classes: tuple[str, ...] = ()
    positive: str | None = None
    metrics: dict[str, Estimate] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    gains: dict[str, Estimate] = field(default_factory=dict)
    per_class: tuple[ClassQuality, ...] = ()
    slices: Slices = field(default_factory=lambda: Slices(metric="", overall=None, looked_at=0))
    fairness: tuple[Fairness, ...] = ()
    threshold: Threshold | None = None
    confusion: Confusion | None = None
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    behaviour: tuple[Behaviour, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def passed(self) -> bool:
        """Whether no must failed."""
        return not any(verdict.blocks for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as plain JSON values; a number that is not one is null."""
        import msgspec

        plain: dict[str, Any] = _without_nan(msgspec.to_builtins(self))
        return plain

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Evaluation:
        """The evaluation of an :meth:`as_dict`. Raises InputError where it is of a later format or not one at all."""
        import msgspec

        if value.get("format", FORMAT) > FORMAT:
            raise InputError(
                f"This evaluation is of format {value['format']}; this version of Mainspring reads up to {FORMAT}. "
                "Upgrade mainspring to read it."
            )
        try:
            return msgspec.convert(_with_nan(value), cls)
        except msgspec.ValidationError as error:
            raise InputError(f"This is not an evaluation: {error}.") from error


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return value


def _with_nan(value: Any) -> Any:
    """Give every estimate without a value its NaN back."""
    if isinstance(value, dict):
        restored = {key: _with_nan(part) for key, part in value.items()}
        if restored.keys() == {"value", "low", "high", "rows"} and restored["value"] is None:
            restored["value"] = math.nan
        return restored
    if isinstance(value, (list, tuple)):
        return [_with_nan(part) for part in value]
    return value
