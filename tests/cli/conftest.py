"""Calling the command line in this process, which is quicker than starting another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from mainspring.cli._exit import guarded
from mainspring.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Called:
    """What a call of the command line left with and printed."""

    code: int
    out: str
    err: str


class Call(Protocol):
    """Calls ``mainspring`` with *arguments* in the folder *where*."""

    def __call__(self, *arguments: str, where: Path) -> Called: ...


@pytest.fixture
def call_in(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str, where: Path) -> Called:
        monkeypatch.chdir(where)
        capfd.readouterr()
        code = guarded(app, arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Called(code, out, err)

    return called
