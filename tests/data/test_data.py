"""The package: light to import, and its verbs are functions whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mainspring.data


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_it_loads_no_frame_library() -> None:
    loaded = fresh(
        "import mainspring.data, mainspring.data.read, mainspring.data.split, sys; print(*sys.modules)"
    ).split()
    assert not {"polars", "numpy", "pandas", "pyarrow", "sklearn"}.intersection(loaded)


@pytest.mark.parametrize("verb", sorted({*mainspring.data.__all__} - {"Split"}))
def test_a_verb_is_a_function_even_after_its_module_was_imported(verb: str) -> None:
    told = fresh(
        f"import mainspring.data.{verb}; from mainspring.data import {verb}; print({verb}.__name__, callable({verb}))"
    )
    assert told == f"{verb} True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wash'"):
        _ = mainspring.data.wash
