"""What a framework needs to know of the table it will learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.core.task import Task
    from mainspring.features.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Shape:
    """The task, the number of rows and classes, and the places of numeric and categorical columns of the matrix.

    ``skewed``: the numbers to predict are zero or more and have a long tail, so their logarithm may be easier to learn.
    ``absolute``: errors are judged by their size, not by their square, so the median is what should be learned.
    """

    task: Task
    rows: int
    classes: int
    numeric: tuple[int, ...]
    categorical: tuple[int, ...]
    skewed: bool = False
    absolute: bool = False

    @classmethod
    def of(cls, encoder: Encoder, task: Task, rows: int, classes: int, **facts: bool) -> Shape:
        """The shape of *rows* encoded rows; *facts* are skewed and absolute."""
        return cls(task, rows, classes, encoder.numeric, encoder.categorical, **facts)

    @property
    def columns(self) -> int:
        """The width of the matrix."""
        return len(self.numeric) + len(self.categorical)

    @property
    def cells(self) -> int:
        """Rows times columns, times classes where there are more than two: what boosting has to look at each round."""
        return self.rows * self.columns * (self.classes if self.classes > 2 else 1)

    @property
    def regression(self) -> bool:
        """Whether a number is predicted."""
        return self.task == "regression"
