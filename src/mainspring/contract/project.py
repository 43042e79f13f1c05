"""The [project] section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.core.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSection:
    """What the model is for.

    ``target`` is the predicted column; ``time`` the column that orders rows (a date or any rising number); ``entity``
    the column that says whom a row is about. ``positive`` is the class counted as positive in a binary task (default:
    the larger label in sorted order). ``cost`` maps "truth→prediction" style keys to a money value, see
    :attr:`mainspring.contract.Contract.cost`.
    """

    name: str
    task: Task
    target: str
    time: str | None = None
    entity: str | None = None
    positive: str | None = None
    purpose: str = ""
    owner: str = ""
    workspace: str | None = None
