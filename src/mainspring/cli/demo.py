"""``mainspring demo``: the closed loop on a simulated business whose events are known."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from rich.console import Console

    from mainspring.demo.story import Story
    from mainspring.operate.rehearsal import Passed

FOLDER = Path("mainspring-demo")


def demo(
    *,
    open: Annotated[bool, Parameter(help="Open the report where there is a browser.")] = True,  # noqa: A002
    folder: Annotated[Path, Parameter(help="Where the report and the simulated table are put.")] = FOLDER,
    seed: Annotated[int, Parameter(help="Another seed is another history.")] = 7,
    json: Json = False,
) -> int:
    """Watch the closed loop run on a simulated lender, then see what it found beside what truly happened.

    Two years of loan applications are simulated, with four events in the second: a unit that changes upstream, a
    shift that does no harm, a new category, and a change of who defaults. The first year is what a model learns from;
    the second is replayed week by week.
    """
    from mainspring.cli._output import emit_json, err
    from mainspring.core.errors import InputError
    from mainspring.core.files import write_atomic
    from mainspring.demo.story import SIMULATED, page, tell

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}. Name another with --folder.") from None
    console = err()
    console.print(f"[bold]Mainspring demo[/bold]  {SIMULATED}")
    console.print(
        "A lender decides on loans; who defaulted is known two weeks later. A model learned from the first year.\n"
        "Now its second year passes, a line a week. The loop does not know what is going to happen.\n"
    )
    story = tell(seed=seed, watch=_Teller(console))
    report, table = folder / "report.html", folder / "loans.parquet"
    write_atomic(report, page(story))
    story.history.frame.write_parquet(table)
    if json:
        emit_json({**story.as_dict(), "report": str(report), "table": str(table)})
        return 0
    _tell(story, report, table)
    if open and _has_browser():
        import webbrowser

        webbrowser.open(report.resolve().as_uri())
    return 0


class _Teller:
    """Prints one line for a window, and one for whatever began or was done in it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._held = ""

    def __call__(self, passed: Passed) -> None:
        """Say what happened in a window."""
        step = passed.step
        alerts = len(step.alerts)
        state = f"{alerts} alert{'s' * (alerts != 1)}" if alerts else "quiet"
        standing = f", {passed.open} open incident{'s' * (passed.open != 1)}" if passed.open else ""
        place = f"{passed.place:>{len(str(passed.windows))}}/{passed.windows}"
        line = f"{place}  {str(passed.start)[:10]}  {passed.rows:>4} applications  {state}{standing}"
        self._console.print(line, style="yellow" if passed.open else "dim", markup=False)
        for incident in passed.opened:
            self._say(f"incident {incident.id}", incident.summary, "bold red")
        for words in step.faults:
            self._say("set aside", f"{words}; the model answers without it until it looks as before", "bold cyan")
        reason = step.decision.reason if step.decision.trigger is not None else ""
        if step.retrained is not None:
            self._say("retrain", step.retrained.reason, "bold cyan")
        elif step.decision.action == "roll back":
            self._say("roll back", step.decision.reason, "bold cyan")
        elif reason and reason != self._held:
            self._say("hold", reason, "bold")
        self._held = reason

    def _say(self, word: str, text: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(" " * 7, (f"{word}  ", style), text))


def _tell(story: Story, report: Path, table: Path) -> None:
    from rich.table import Table

    from mainspring.cli._output import out
    from mainspring.demo.story import SIMULATED
    from mainspring.demo.truth import HEADER

    console = out()
    console.print(f"\n[bold]{story.result.verdict}[/bold]\n")
    shown = Table(box=None, pad_edge=False, title="Truth against detection", title_justify="left")
    for heading in HEADER:
        shown.add_column(heading, overflow="fold")
    for finding in story.findings:
        shown.add_row(*finding.row(), style=None if finding.right else "red")
    console.print(shown)
    others = len(story.others)
    console.print(f"\nIncidents without an event behind them: {others}. {SIMULATED}")
    console.print(f"\nThe picture:  {report}", markup=False)
    console.print(f"The table:    {table}", markup=False)
    console.print("\nNow with your own history:  mainspring backtest FILE --target COLUMN --time COLUMN", markup=False)


def _has_browser() -> bool:
    """Whether somebody sits before a screen."""
    if not sys.stdout.isatty() or "CI" in os.environ:
        return False
    shown = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return shown or platform.system() != "Linux"
