"""What a model is asked to predict."""

from __future__ import annotations

from typing import Literal, TypeAlias

Task: TypeAlias = Literal["binary", "multiclass", "regression"]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
