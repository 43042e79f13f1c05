"""``--set name=value``, as the commands that look at a pipeline take it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

Set: TypeAlias = Annotated[
    list[str] | None,
    Parameter(name="--set", negative=(), help="name=value: a parameter of a step, or step.name=value."),
]


def settings_of(assignments: list[str] | None) -> dict[str, str]:
    """The settings by name. Raises InputError for what is no assignment."""
    from mainspring.flow.setting import assignment

    return dict(assignment(text) for text in assignments or ())
