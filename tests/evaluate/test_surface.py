"""The folder's public names, and that naming the folder loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mainspring.evaluate


def test_every_public_name_is_there() -> None:
    assert sorted(mainspring.evaluate.__all__) == ["Evaluation", "difference", "evaluate", "measure", "verdicts"]
    for name in mainspring.evaluate.__all__:
        assert callable(getattr(mainspring.evaluate, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'mesure'"):
        _ = mainspring.evaluate.mesure


def test_importing_the_folder_loads_nothing_heavy() -> None:
    script = "import mainspring.evaluate, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "polars", "sklearn", "scipy"}.intersection(loaded)
