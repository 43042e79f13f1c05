"""The names a requirement may use, and what each can be measured on.

Only names and facts about them: ``evaluate`` computes quality and fairness, ``data`` and ``monitor`` the rest; a test
holds the lists equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from mainspring.core.task import TASKS

if TYPE_CHECKING:
    from mainspring.contract.requirement import Stage
    from mainspring.core.task import Task

Kind: TypeAlias = Literal["quality", "fairness", "data", "service"]

_JUDGED: tuple[Stage, ...] = ("holdout", "release", "canary", "live")
_COUNTED: tuple[Stage, ...] = ("data", "holdout", "live")
_SERVED: tuple[Stage, ...] = ("canary", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric's name, the tasks it fits, which direction is good and the stages where it can be measured."""

    name: str
    kind: Kind
    higher_is_better: bool
    tasks: tuple[Task, ...]
    stages: tuple[Stage, ...]
    help: str


def _quality(tasks: tuple[Task, ...], higher: bool, **names: str) -> list[Metric]:  # noqa: FBT001  # private table
    return [
        Metric(name=name, kind="quality", higher_is_better=higher, tasks=tasks, stages=_JUDGED, help=text)
        for name, text in names.items()
    ]


_CLASSES: tuple[Task, ...] = ("binary", "multiclass")

_ALL: tuple[Metric, ...] = (
    *_quality(
        ("binary",),
        True,
        roc_auc="chance that a positive is ranked above a negative",
        average_precision="area under the precision-recall steps",
        f1="harmonic mean of precision and recall",
        precision="share of predicted positives that are positive",
        recall="share of positives that are found",
    ),
    *_quality(
        _CLASSES,
        True,
        accuracy="share of rows predicted right",
        balanced_accuracy="mean recall over the classes",
        matthews_corrcoef="correlation of truth and prediction",
    ),
    *_quality(_CLASSES, False, log_loss="mean negative log-likelihood in nats"),
    *_quality(
        ("binary",),
        False,
        brier_score="mean squared error of the probability",
        expected_calibration_error="mean gap between probability and frequency over ten bins",
        expected_cost="mean cost a row by the contract's cost matrix",
    ),
    *_quality(
        ("multiclass",),
        True,
        f1_macro="mean F1 over the classes",
        f1_weighted="mean F1 over the classes, weighted by their size",
        precision_macro="mean precision over the classes",
        recall_macro="mean recall over the classes",
        roc_auc_ovr="mean one-against-rest ROC AUC over the classes",
    ),
    *_quality(("regression",), True, r2="share of the variance explained"),
    *_quality(
        ("regression",),
        False,
        rmse="root mean squared error, in the target's unit",
        mae="mean absolute error, in the target's unit",
        median_absolute_error="median absolute error, in the target's unit",
        mape="mean absolute error as a share of the truth",
        max_error="largest absolute error, in the target's unit",
        mean_error="mean of prediction minus truth, in the target's unit",
    ),
    *(
        Metric(
            name=name,
            kind="fairness",
            higher_is_better=name.endswith("ratio"),
            tasks=("binary",),
            stages=_JUDGED,
            help=text,
        )
        for name, text in {
            "demographic_parity_difference": "largest minus smallest selection rate over the groups",
            "demographic_parity_ratio": "smallest over largest selection rate of the groups",
            "equalized_odds_difference": "larger of the gaps in true and false positive rate",
            "equal_opportunity_difference": "gap in true positive rate over the groups",
        }.items()
    ),
    *(
        Metric(name=name, kind="data", higher_is_better=higher, tasks=TASKS, stages=_COUNTED, help=text)
        for name, higher, text in (
            ("row_count", True, "rows looked at"),
            ("null_fraction", False, "share of null cells in the declared columns"),
            ("failed_row_fraction", False, "share of rows that break a column rule"),
        )
    ),
    Metric(
        name="drifted_columns",
        kind="data",
        higher_is_better=False,
        tasks=TASKS,
        stages=("live",),
        help="columns whose distribution left the reference",
    ),
    *(
        Metric(name=name, kind="service", higher_is_better=False, tasks=TASKS, stages=_SERVED, help=text)
        for name, text in {
            "latency_p50_ms": "median time to answer, in milliseconds",
            "latency_p99_ms": "99th percentile of the time to answer, in milliseconds",
            "error_rate": "share of requests answered with an error of ours",
        }.items()
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by its name."""


def primary(task: Task) -> str:
    """The metric a model of this *task* is chosen by when nobody says otherwise.

    >>> primary("binary")
    'roc_auc'
    """
    return {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}[task]


def measurable(task: Task) -> tuple[str, ...]:
    """The names of all metrics that fit *task*."""
    return tuple(name for name, metric in METRICS.items() if task in metric.tasks)
