"""Calling the command line in this process, which is quicker than starting another."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from mainspring.cli._exit import guarded
from mainspring.cli.app import app


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


@pytest.fixture(scope="session")
def _shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.cli.shop import make

    root = tmp_path_factory.mktemp("shop")
    make(root)
    return root


@pytest.fixture(scope="module")
def shop(_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three versions of one model (see ``tests/cli/shop.py``), the module's own."""
    return Path(shutil.copytree(_shop, tmp_path_factory.mktemp("work") / "my shop"))


@pytest.fixture
def own_shop(_shop: Path, tmp_path: Path) -> Path:
    """The same, for one test that damages or changes it."""
    return Path(shutil.copytree(_shop, tmp_path / "my shop"))
