"""The command tree. Every command is a dotted path that is imported when it is called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cyclopts import App, Group

from mainspring.core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

_START = Group.create_ordered("Start")
_BUILD = Group.create_ordered("Build")
_RELEASE = Group.create_ordered("Release")
_LOOK = Group.create_ordered("Look back")

app = App(
    name="mainspring",
    help="Keep machine-learning models true in production.",
    version=VERSION,
    help_format="markdown",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # ours says that what was finished is kept
)

_COMMANDS: tuple[tuple[str, str, str, Group], ...] = (
    ("demo", "mainspring.cli.demo:demo", "Watch the closed loop run on a simulated business.", _START),
    ("init", "mainspring.cli.init:init", "Propose a contract and a pipeline for a table.", _START),
    ("schema", "mainspring.cli.schema:schema", "Print the JSON schema of mainspring.toml for editors.", _START),
    ("run", "mainspring.cli.run:run", "Run the pipeline, judge the model, register it.", _BUILD),
    ("why", "mainspring.cli.why:why", "Say why a step ran or was reused.", _BUILD),
    ("graph", "mainspring.cli.graph:graph", "Draw the pipeline as text or Mermaid.", _BUILD),
    ("backtest", "mainspring.cli.backtest:backtest", "Rehearse history: a static model beside the loop.", _BUILD),
    ("predict", "mainspring.cli.predict:predict", "Score a file, a folder or a pipe with a model.", _RELEASE),
    ("serve", "mainspring.cli.serve:serve", "Answer predictions over HTTP.", _RELEASE),
    ("verify", "mainspring.cli.verify:verify", "Check that a packaged model predicts as at training.", _RELEASE),
    ("promote", "mainspring.cli.promote:promote", "Make a version the champion.", _RELEASE),
    ("shadow", "mainspring.cli.shadow:shadow", "Let a version listen before it answers.", _RELEASE),
    ("rollout", "mainspring.cli.rollout:rollout", "Put a version live step by step.", _RELEASE),
    ("watch", "mainspring.cli.watch:watch", "Judge what a served model answered since the last time.", _RELEASE),
    ("loop", "mainspring.cli.loop:loop", "Watch a served model and act, until it is stopped.", _RELEASE),
    ("pause", "mainspring.cli.pause:pause", "Let the loop judge a model, and do nothing else.", _RELEASE),
    ("resume", "mainspring.cli.resume:resume", "Lift a pause or a fallback.", _RELEASE),
    ("slo", "mainspring.cli.slo:slo", "Show the error budget of every requirement.", _RELEASE),
    ("rollback", "mainspring.cli.rollback:rollback", "Make the previous champion the champion again.", _RELEASE),
)
_NOUNS: tuple[tuple[str, str, str], ...] = (
    ("data", "mainspring.cli.data:app", "Tables and dataset versions: profile, check, diff, drift, list, show."),
    ("runs", "mainspring.cli.runs:app", "Runs: list, show, diff."),
    ("models", "mainspring.cli.models:app", "Models: list, show, history, at."),
    ("incidents", "mainspring.cli.incidents:app", "Incidents: list, show, act, assign, mute, resolve, postmortem …"),
    ("labels", "mainspring.cli.labels:app", "The truth about predictions: add, count."),
    ("log", "mainspring.cli.log:app", "The prediction log: query, compact."),
    ("store", "mainspring.cli.store:app", "The bytes: verify, gc."),
)

for _name, _path, _help, _group in _COMMANDS:
    app.command(_path, name=_name, help=_help, group=_group)
for _name, _path, _help in _NOUNS:
    app.command(_path, name=_name, help=_help, group=_LOOK)


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0 good, 1 a must failed, 2 wrong use or input."""
    from mainspring.cli._exit import guarded

    sys.exit(guarded(app, sys.argv[1:] if tokens is None else list(tokens)))
