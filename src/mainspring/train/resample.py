"""Ways to cut rows into what is learned from and what is judged on.

Every function gives pairs of row numbers (learn, judge), each an int64 array in rising order. No row is in both
halves of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from mainspring.core.errors import InputError, NotFound, quote

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.task import Task

    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

    Array: TypeAlias = np.ndarray[Any, Any]
    Pair: TypeAlias = tuple[Rows, Rows]

Kind: TypeAlias = Literal["k-fold", "stratified", "grouped", "expanding", "sliding", "bootstrap"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FEW_ROWS = 400
"""Below so many rows the folds are drawn three times, since one cut into folds says too little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """A way to resample and its settings.

    ``folds`` is the number of parts (for bootstrap: of draws), ``repeats`` how often the rows are cut anew (k-fold,
    stratified, grouped). ``gap`` rows before each judged block are not learned from (expanding, sliding): as many as
    the labels are late. ``span`` is the number of rows learned from (sliding; None: two blocks).
    """

    kind: Kind
    folds: int = 5
    repeats: int = 1
    gap: int = 0
    span: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.kind not in KINDS:
            raise NotFound.among("resampling", self.kind, KINDS)
        if self.folds < 2 or self.repeats < 1 or self.gap < 0:
            raise InputError(
                f"Resampling needs at least 2 folds, 1 repeat and a gap of 0 rows, got {self.folds}, {self.repeats} "
                f"and {self.gap}."
            )

    def pairs(self, y: Array, *, groups: Array | None = None, order: Array | None = None, seed: int = 0) -> list[Pair]:
        """The pairs for the rows of *y* (only its length counts unless stratified).

        *groups* (grouped) and *order* (expanding, sliding) have one value for each row. Raises InputError where they
        are needed and missing, or where there are too few rows, groups or moments.
        """
        if len(y) < 4:
            raise InputError(f"At least 4 rows with a target are needed to judge a model, got {len(y)}.")
        if self.kind == "bootstrap":
            return bootstrap(len(y), draws=self.folds, seed=seed)
        if self.kind in {"expanding", "sliding"}:
            if order is None:
                raise InputError(f"Resampling {self.kind} needs a time column; declare time in [project].")
            span = self.span or 2 * max(1, len(y) // (self.folds + 1))
            return in_time(order, folds=self.folds, gap=self.gap, span=None if self.kind == "expanding" else span)
        every = []
        for repeat in range(self.repeats):
            if self.kind == "grouped":
                if groups is None:
                    raise InputError("Resampling grouped needs an entity column; declare entity in [project].")
                every += grouped(groups, folds=self.folds, seed=seed + repeat)
            elif self.kind == "stratified":
                every += stratified(y, folds=self.folds, seed=seed + repeat)
            else:
                every += k_fold(len(y), folds=self.folds, seed=seed + repeat)
        return every

    @property
    def text(self) -> str:
        """The resampling in words.

        >>> Resampling(kind="stratified", repeats=3).text
        '5 stratified folds, 3 times'
        """
        what = {"k-fold": "folds", "stratified": "stratified folds", "grouped": "folds of whole groups"}
        what |= {"expanding": "blocks in time order, learning from all before", "bootstrap": "bootstrap draws"}
        what |= {"sliding": "blocks in time order, learning from those just before"}
        text = f"{self.folds} {what[self.kind]}"
        text += f", {self.repeats} times" if self.repeats > 1 else ""
        return text + (f", {self.gap} rows apart" if self.gap else "")


def natural(contract: Contract, frame: pl.DataFrame, task: Task) -> Resampling:
    """What fits the contract: time order where it names a time, whole groups where entities recur, else strata."""
    project = contract.project
    if project.time is not None and project.time in frame.columns and frame[project.time].n_unique() > 5:
        return Resampling(kind="expanding")
    repeats = 3 if len(frame) < FEW_ROWS else 1
    if project.entity is not None and project.entity in frame.columns:
        entities = frame[project.entity].drop_nulls()
        if 5 <= entities.n_unique() < len(entities):
            return Resampling(kind="grouped", repeats=repeats)
    return Resampling(kind="k-fold" if task == "regression" else "stratified", repeats=repeats)


def k_fold(rows: int, *, folds: int = 5, seed: int = 0) -> list[Pair]:
    """Each row is judged once; the folds differ by one row at most."""
    import numpy as np

    return _parts(np.random.default_rng(seed).permutation(rows) % min(folds, rows))


def stratified(labels: Array, *, folds: int = 5, seed: int = 0) -> list[Pair]:
    """Each row is judged once; each label is spread over the folds as evenly as whole rows allow."""
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[by_label] = np.arange(len(labels)) % min(folds, len(labels))
    return _parts(fold)


def grouped(groups: Array, *, folds: int = 5, seed: int = 0) -> list[Pair]:
    """Each row is judged once and no group is in both halves; the folds are of similar size.

    A row without a group is a group of its own. Raises InputError for a single group.
    """
    import numpy as np

    missing = np.array([value is None or value != value for value in groups.tolist()])
    texts = np.array([str(value) for value in groups.tolist()], dtype=object)
    _, codes = np.unique(texts, return_inverse=True)
    codes[missing] = codes.max() + 1 + np.arange(missing.sum())
    _, codes, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise InputError(f"All {len(groups)} rows belong to one group, so no group can be held out.")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled = [0] * min(folds, len(sizes))
    fold_of = np.empty(len(sizes), np.int64)
    for group in largest_first:
        emptiest = filled.index(min(filled))
        fold_of[group] = emptiest
        filled[emptiest] += int(sizes[group])
    return _parts(fold_of[codes])


def in_time(order: Array, *, folds: int = 5, gap: int = 0, span: int | None = None) -> list[Pair]:
    """Judge each block of time on what was learned before it, never the other way round.

    *order* has the moment of each row, as anything that sorts. The rows are cut into folds + 1 blocks; rows of one
    moment stay in one block. The learned rows are all those before the block, or the last *span* of them, less the
    *gap* rows just before it. Raises InputError where fewer than two blocks can be cut.
    """
    import numpy as np

    by_time = np.argsort(order, kind="stable")
    moments = order[by_time]
    starts = np.flatnonzero(np.r_[True, moments[1:] != moments[:-1]])
    wanted = np.linspace(0, len(order), folds + 2)[1:-1]
    cuts = sorted({int(starts[np.abs(starts - each).argmin()]) for each in wanted} - {0})
    pairs = []
    for begin, end in pairwise([*cuts, len(order)]):
        last = begin - gap
        first = 0 if span is None else max(0, last - span)
        if last > first:
            pairs.append((np.sort(by_time[first:last]), np.sort(by_time[begin:end])))
    if not pairs:
        raise InputError(
            f"The {len(order)} rows have {len(starts)} different moments; with a gap of {gap} rows no block can be "
            f"judged on what came before. First moment: {quote(moments[0])}."
        )
    return pairs


def bootstrap(rows: int, *, draws: int = 25, seed: int = 0) -> list[Pair]:
    """Learn from rows drawn with replacement, judge on those not drawn (out of bag; Efron & Tibshirani, 1993)."""
    import numpy as np

    random = np.random.default_rng(seed)
    pairs: list[Pair] = []
    while len(pairs) < draws:
        drawn = np.sort(random.integers(0, rows, rows))
        left = np.setdiff1d(np.arange(rows), drawn)
        if len(left):
            pairs.append((drawn, left))
    return pairs


def _parts(fold: Rows) -> list[Pair]:
    import numpy as np

    return [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(int(fold.max()) + 1)]
