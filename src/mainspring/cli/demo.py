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
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from mainspring.demo.live import Lived, LiveStory
    from mainspring.demo.story import Story
    from mainspring.demo.truth import Finding
    from mainspring.operate.rehearsal import Passed

FOLDER = Path("mainspring-demo")


def demo(
    *,
    open: Annotated[bool, Parameter(help="Open the report where there is a browser.")] = True,  # noqa: A002
    folder: Annotated[Path, Parameter(help="Where the report and the simulated table are put.")] = FOLDER,
    live: Annotated[
        bool, Parameter(negative=(), help="Send the second year through a real endpoint, with a real loop beside it.")
    ] = False,
    seed: Annotated[int, Parameter(help="Another seed is another history.")] = 7,
    json: Json = False,
) -> int:
    """Watch the closed loop run on a simulated lender, then see what it found beside what truly happened.

    Two years of loan applications are simulated, with four events in the second: a unit that changes upstream, a
    shift that does no harm, a new category, and a change of who defaults. The first year is what a model learns from;
    the second is replayed week by week. With --live it is sent row by row over HTTP to an endpoint on this machine,
    outcomes come late, and the loop that looks after the served model retrains it and rolls the new one out.
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
    if live:
        return _live(console, _free(folder), seed=seed, is_json=json)
    story = tell(seed=seed, watch=_Teller(console).rehearsed)
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

    def rehearsed(self, passed: Passed) -> None:
        """Say what happened in a window that was replayed."""
        step = passed.step
        alerts = len(step.alerts)
        state = f"{alerts} alert{'s' * (alerts != 1)}" if alerts else "quiet"
        self._window(passed, str(passed.start)[:10], f"{passed.rows:>4} applications  {state}")
        for words in step.faults:
            self._said("set aside", f"{words}; the model answers without it until it looks as before")
        reason = step.decision.reason if step.decision.trigger is not None else ""
        if step.retrained is not None:
            self._said("retrain", step.retrained.reason)
        elif step.decision.action == "roll back":
            self._said("roll back", step.decision.reason)
        elif reason and reason != self._held:
            self._said("hold", reason, "bold")
        self._held = reason

    def lived(self, lived: Lived) -> None:
        """Say what happened in a window of live requests."""
        by = " and ".join(f"version {number}: {count}" for number, count in sorted(lived.versions.items()))
        self._window(lived, f"{lived.start:%Y-%m-%d}", f"{lived.rows} answered ({by})")
        for text in lived.done:
            self._said("loop", text)

    def _window(self, window: Passed | Lived, day: str, state: str) -> None:
        standing = f", {window.open} open incident{'s' * (window.open != 1)}" if window.open else ""
        place = f"{window.place:>{len(str(window.windows))}}/{window.windows}"
        style = "yellow" if window.open else "dim"
        self._console.print(f"{place}  {day}  {state}{standing}", style=style, markup=False)
        for incident in window.opened:
            self._said(f"incident {incident.id}", incident.summary, "bold red")

    def _said(self, word: str, text: str, style: str = "bold cyan") -> None:
        from rich.text import Text

        self._console.print(Text.assemble(" " * 7, (f"{word}  ", style), text))


def _free(folder: Path) -> Path:
    """The first folder for a live demo that is not there yet."""
    for number in range(1, 10_000):
        place = folder / f"live-{number}"
        if not place.exists():
            return place
    from mainspring.core.errors import InputError

    raise InputError(f"{folder} is full of live demos. Name another folder with --folder.")


def _live(console: Console, folder: Path, *, seed: int, is_json: bool) -> int:
    from mainspring.cli._output import emit_json, out
    from mainspring.demo.live import play
    from mainspring.demo.story import SIMULATED

    console.print("The first model is made, packaged and served on this machine …\n")
    story = play(folder, seed=seed, watch=_Teller(console).lived)
    if is_json:
        emit_json({**story.as_dict(), "project": str(folder)})
        return 0
    _tell_live(out(), story)
    out().print(
        f"{SIMULATED}\n\nThe project, its log and its incidents are in {folder}. Look around there:", markup=False
    )
    for command in ("incidents list", "models history loans", "log query loans --limit 5", "watch"):
        out().print(f"  mainspring {command}", markup=False)
    return 0


def _tell_live(console: Console, story: LiveStory) -> None:
    console.print()
    console.print(_truth(story.findings))
    recovered = "never" if story.recovered is None else f"{story.recovered:.0f} simulated days"
    console.print(f"\nRequests: {story.sent:,} sent, {story.answered:,} answered, {story.dropped} dropped; "
                  f"{story.swaps} swap{'s' * (story.swaps != 1)} of the model while they came in.")  # fmt: skip
    console.print(f"From the concept change until the new model answered everything: {recovered}.")
    for one in story.others:
        console.print(f"Without an event behind it: {one.incident.summary}", markup=False)
    for one in story.service:
        console.print(f"Of the service itself (the simulation waits while a model is made): {one.incident.summary}",
                      markup=False)  # fmt: skip


def _truth(findings: Sequence[Finding]) -> Table:
    from rich.table import Table as Drawn

    from mainspring.demo.truth import HEADER

    shown = Drawn(box=None, pad_edge=False, title="Truth against detection", title_justify="left")
    for heading in HEADER:
        shown.add_column(heading, overflow="fold")
    for finding in findings:
        shown.add_row(*finding.row(), style=None if finding.right else "red")
    return shown


def _tell(story: Story, report: Path, table: Path) -> None:
    from mainspring.cli._output import out
    from mainspring.demo.story import SIMULATED

    console = out()
    console.print(f"\n[bold]{story.result.verdict}[/bold]\n")
    console.print(_truth(story.findings))
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
