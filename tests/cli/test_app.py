"""The command tree: everything it lists is there, answers --help, and mistakes get the nearest match."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest

import mainspring
from mainspring.cli import app as tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

COMMANDS = [(name, path) for name, path, *_ in tree._COMMANDS]
NOUNS = {
    "data": {"check", "diff", "profile", "drift", "list", "show"},
    "runs": {"list", "show", "diff"},
    "models": {"list", "show", "history", "at"},
    "incidents": {"list", "show", "ack", "assign", "note", "resolve", "mute", "act", "postmortem", "outbox"},
    "labels": {"add", "count"},
    "log": {"query", "compact"},
    "store": {"verify", "gc"},
}
JSON = {
    "init", "run", "why", "graph", "backtest", "predict", "verify", "promote", "rollback", "rollout", "shadow", "slo",
    "demo", "watch", "loop", "pause", "resume", *(f"{noun} {verb}" for noun, verbs in NOUNS.items() for verb in verbs),
}  # fmt: skip


@pytest.mark.parametrize(("name", "path"), COMMANDS + [(name, path) for name, path, _ in tree._NOUNS])
def test_every_command_is_where_the_tree_says(name: str, path: str) -> None:
    module, _, attribute = path.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute)), name


def test_the_nouns_are_those_with_these_verbs() -> None:
    assert {name for name, *_ in tree._NOUNS} == set(NOUNS)
    for noun, verbs in NOUNS.items():
        assert {verb for verb in tree.app[noun] if not verb.startswith("-")} == verbs


@pytest.mark.parametrize(
    "command", [name for name, _ in COMMANDS] + [f"{noun} {verb}" for noun, verbs in NOUNS.items() for verb in verbs]
)
def test_help_says_what_it_does(call_in: Call, tmp_path: Path, command: str) -> None:
    done = call_in(*command.split(), "--help", where=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert re.search(rf"Usage: mainspring {command}\b", done.out)
    said = [line for line in done.out.splitlines() if line.strip()]
    assert len(said[1].split()) >= 4, "a sentence about the command"
    assert ("--json" in done.out) == (command in JSON)
    assert not list(tmp_path.iterdir())


def test_the_overview_lists_every_command_and_noun(call_in: Call, tmp_path: Path) -> None:
    for tokens in (["--help"], []):
        done = call_in(*tokens, where=tmp_path)
        assert done.code == 0
        assert {name for name, *_ in (*COMMANDS, *tree._NOUNS)} <= set(re.findall(r"^│ (\w+)", done.out, re.MULTILINE))


def test_version(call_in: Call, tmp_path: Path) -> None:
    done = call_in("--version", where=tmp_path)
    assert (done.code, done.out) == (0, f"{mainspring.__version__}\n")


@pytest.mark.parametrize(
    ("tokens", "near"),
    [
        (["bactest"], "backtest"),
        (["modles", "list"], "models"),
        (["models", "histroy", "shop"], "history"),
        (["data", "proflie", "t.csv"], "profile"),
        (["run", "--jsn"], "--json"),
    ],
)
def test_an_unknown_word_gets_the_nearest_match(call_in: Call, tmp_path: Path, tokens: list[str], near: str) -> None:
    done = call_in(*tokens, where=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mainspring: ")
    assert re.search(rf"Did you mean \W*{near}\b", done.err), done.err
    assert "--help" in done.err
