"""A challenger against the champion, on the same fresh rows that neither had learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.evaluate.metric import difference
from mainspring.evaluate.requirements import verdicts

if TYPE_CHECKING:
    import polars as pl

    from mainspring.contract import Contract, Verdict
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictions

FEWEST = 30
"""On fewer rows nothing is sure: drawn again and again from one or two rows, a value hardly changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """How it ended.

    ``gain``: by how much the challenger is better, above zero it is. ``blocked``: which must it fails, or an empty
    text. It has won unless it is blocked or surely worse: what is equally good and has seen more is to be preferred.
    """

    metric: str
    gain: Estimate
    blocked: str = ""

    @property
    def won(self) -> bool:
        """Whether the challenger may go live."""
        return not self.blocked and not (self.gain.high is not None and self.gain.high < 0)

    @property
    def words(self) -> str:
        """What happens to the challenger and why, as what follows its name."""
        return self.blocked or compared(self.gain, self.metric, promoted=self.won)


def contest(
    contract: Contract,
    metric: str,
    rows: pl.DataFrame,
    ours: Predictions,
    theirs: Predictions,
    *,
    seed: int = 0,
) -> Contest:
    """Hold what the challenger said (*ours*) of *rows*, target included, against what the champion said (*theirs*)."""
    truth = rows[contract.project.target]
    gain = difference(metric, truth, ours, theirs, cost=contract.cost, seed=seed)
    return Contest(metric=metric, gain=gain, blocked=_blocked(contract, rows, ours, theirs, seed))


def _blocked(contract: Contract, rows: pl.DataFrame, ours: Predictions, theirs: Predictions, seed: int) -> str:
    """Which must the challenger fails on rows it had not seen, or an empty text.

    On few rows a value says little. A must that the champion fails there as well, or that compares the two, blocks
    only if it surely fails, with the whole interval.
    """
    if not contract.requirements:
        return ""
    truth = rows[contract.project.target]
    judged = verdicts(contract, truth, ours, rows, stage="canary", champion=theirs, seed=seed)
    failed = [verdict for verdict in judged if verdict.blocks]
    if not failed:
        return ""
    judged = verdicts(contract, truth, theirs, rows, stage="canary", confidence=None, seed=seed)
    kept = {verdict.requirement for verdict in judged if verdict.result == "pass"}
    failed = [verdict for verdict in failed if verdict.requirement in kept or surely_fails(verdict)]
    return f"was not promoted: it fails {failed[0].requirement} ({value_words(failed[0])})" if failed else ""


def surely_fails(verdict: Verdict) -> bool:
    """Whether the whole interval of a failed verdict lies beyond its bound, on rows enough to say so."""
    if verdict.value is None:
        return True
    if verdict.rows < FEWEST:
        return False
    if verdict.low is None or verdict.high is None:
        return True
    return verdict.high < verdict.bound if verdict.value < verdict.bound else verdict.low > verdict.bound


def value_words(verdict: Verdict) -> str:
    """The measured value as one would say it."""
    return "not a number" if verdict.value is None else f"{verdict.value:.4g}"


def compared(gain: Estimate, metric: str, *, promoted: bool) -> str:
    """How much better or worse a challenger is in *metric*, and what that means."""
    name = metric.replace("_", " ")
    margin = "" if gain.low is None or gain.high is None else f" ({gain.low:+.3g} to {gain.high:+.3g})"
    if not promoted:
        return f"was not promoted: its {name} is worse by {-gain.value:.3g}{margin} on {gain.rows:,} fresh rows"
    if gain.value >= 0:
        return f"went live: its {name} is better by {gain.value:.3g}{margin} on {gain.rows:,} fresh rows"
    return f"went live: its {name} is not surely worse, {gain.value:+.3g}{margin} on {gain.rows:,} fresh rows"
