"""Writing: what was read comes back, or nothing is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mainspring.core.errors import InputError
from mainspring.data import read
from mainspring.data.write import SUFFIXES, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_reads_back(suffix: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})
    assert_frame_equal(read(write(frame, tmp_path / "new" / f"table{suffix}")), frame)


def test_an_unknown_suffix_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not as '\.xlsx'"):
        write(pl.DataFrame({"a": [1]}), tmp_path / "new" / "table.xlsx")
    assert list(tmp_path.iterdir()) == []
