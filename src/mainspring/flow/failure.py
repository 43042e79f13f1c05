"""What went wrong in a step, told in the user's own lines of code."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError, PipelineError

if TYPE_CHECKING:
    from mainspring.project import Project

MOST_CHARACTERS = 2000
"""An error's message is cut to so many characters."""
FIRST_FRAMES, LAST_FRAMES = 3, 6


@dataclass(frozen=True)
class Failure:
    """A failed step: one line that says what, the lines of code that led there, and whether trying again may help."""

    step: str
    reason: str
    lines: tuple[str, ...] = ()
    may_pass: bool = True

    def __str__(self) -> str:
        """The whole message."""
        return "\n".join([f"Step {self.step} failed: {self.reason}", *self.lines])


def failure_of(step: str, error: BaseException, project: Project) -> Failure:
    """Describe *error*, raised by *step*, with the lines of the project's own code."""
    lines = _lines(error, project)
    if isinstance(error, SystemExit):
        reason = (
            f"it called sys.exit({'' if error.code is None else repr(error.code)}). A step returns a value or raises."
        )
        return Failure(step, reason, lines, may_pass=False)
    if isinstance(error, MainspringError):
        place = _place(error, project)
        return Failure(step, f"{error}{f' ({place})' if place else ''}", may_pass=not isinstance(error, PipelineError))
    if isinstance(error, SyntaxError) and error.filename:
        return Failure(step, f"{project.shown(error.filename)}:{error.lineno}: {error.msg}", lines, may_pass=False)
    return Failure(step, _said(error), (*lines, *_causes(error)))


def _said(error: BaseException) -> str:
    kind, text = type(error).__name__, str(error)
    if len(text) > MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS] + "…"
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    return (f"{kind}: {text}" if text else kind) + notes


def _lines(error: BaseException, project: Project) -> tuple[str, ...]:
    frames = project.frames(error.__traceback__)
    if len(frames) > FIRST_FRAMES + LAST_FRAMES:
        between = [f"  … {len(frames) - FIRST_FRAMES - LAST_FRAMES} more calls …"]
        shown = [*_shown(frames[:FIRST_FRAMES], project), *between, *_shown(frames[-LAST_FRAMES:], project)]
    else:
        shown = _shown(frames, project)
    every = traceback.extract_tb(error.__traceback__)
    if frames and every[-1].filename != frames[-1].filename:
        inner = Path(every[-1].filename)
        shown.append(f"  … raised in {'/'.join(inner.parts[-2:])}:{every[-1].lineno}, in {every[-1].name}")
    return tuple(shown)


def _shown(frames: list[traceback.FrameSummary], project: Project) -> list[str]:
    lines = []
    for frame in frames:
        lines.append(f"  {project.shown(frame.filename)}:{frame.lineno}, in {frame.name}")
        if frame.line:
            lines.append(f"    {frame.line}")
    return lines


def _place(error: BaseException, project: Project) -> str:
    frames = project.frames(error.__traceback__)
    return f"{project.shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _causes(error: BaseException) -> list[str]:
    told: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while cause is not None and len(told) < LAST_FRAMES:
        told.append(f"  caused by {_said(cause)}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return told
