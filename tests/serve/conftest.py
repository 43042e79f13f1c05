"""Models of every kind, a workspace with three versions of the shop's model, and an endpoint of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from mainspring.registry import Registry
from mainspring.workspace import Workspace
from tests.package.conftest import model
from tests.serve import shop
from tests.serve.live import Live, client, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

__all__ = ["model"]


@pytest.fixture(scope="session")
def _registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve") / "workspace"
    with Workspace.open(root) as place:
        registry = Registry(place)
        for seed in (0, 3, 6):
            registry.register("shop", shop.bundle("linear", seed))
        registry.promote("shop", 1)
    return root


@pytest.fixture
def workspace(_registered: Path, tmp_path: Path) -> Path:
    """A workspace of the test's own: version 1 of shop is the champion, 2 and 3 are there."""
    copy = tmp_path / "workspace"
    shutil.copytree(_registered, copy)
    return copy


@pytest.fixture(scope="session")
def endpoint(_registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One endpoint for all tests that change nothing."""
    copy = tmp_path_factory.mktemp("endpoint") / "workspace"
    shutil.copytree(_registered, copy)
    with serving("shop", "--max-rows", "500", "--max-body", "1", "--timeout", "3", workspace=copy) as live:
        yield live


@pytest.fixture
def http(endpoint: Live) -> Iterator[httpx.Client]:
    """A client of that endpoint."""
    with client(endpoint) as made:
        yield made
