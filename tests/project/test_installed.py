from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import mainspring
from mainspring.project.installed import Installed, installed
from mainspring.project.modules import is_own_code

if TYPE_CHECKING:
    from pathlib import Path


def test_versions_are_those_of_the_metadata() -> None:
    for name in ("polars", "scikit-learn", "msgspec", "pytest"):
        assert installed().version(name) == importlib.metadata.version(name)
    assert installed().version("not-there-at-all") is None


def test_import_names_lead_to_their_distribution() -> None:
    provider = installed().provider("sklearn")
    assert provider is not None
    assert provider.version == importlib.metadata.version("scikit-learn")
    assert installed().provider("no_such_module") is None


def test_the_first_folder_of_the_path_wins(tmp_path: Path) -> None:
    for folder, version in (("a", "1.0"), ("b", "2.0")):
        (tmp_path / folder / f"thing-{version}.dist-info").mkdir(parents=True)
    both = Installed((str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing")))
    assert both.version("Thing") == "1.0"
    assert both.lock() == ["thing==1.0"]


def test_own_code_is_what_nobody_installed(tmp_path: Path) -> None:
    assert is_own_code(tmp_path / "helpers.py")
    assert is_own_code(__file__)
    assert not is_own_code(mainspring.__file__)
    assert not is_own_code(importlib.metadata.__file__)
    assert not is_own_code(tmp_path / ".venv" / "lib" / "site-packages" / "thing.py")
    assert not is_own_code(tmp_path / "table.csv")
    assert not is_own_code(None)
