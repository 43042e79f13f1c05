"""What `mainspring serve` takes at its start, and what it refuses in one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.cli.serve import TOKEN, _platform, _token, serve
from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "options",
    [
        *({"timeout": value} for value in (math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300)),
        *({name: value} for name in ("workers", "max_rows", "max_body") for value in (0, -1)),
    ],
)
def test_numbers_that_make_no_sense(workspace: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        serve("shop", workspace=workspace, port=0, **options)


@pytest.mark.parametrize("port", ["²", "9" * 5000, "-1", "nan", "65536"])
def test_a_platforms_port_that_is_none(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", port)
    with pytest.raises(InputError, match="Expected a port from 0 to 65535"):
        _platform()


def test_a_token_is_the_same_from_a_file_and_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" hush\n")
    monkeypatch.setenv(TOKEN, " hush\r\n")
    assert _token(file) == _token(None) == "hush"
    monkeypatch.setenv(TOKEN, "")
    assert _token(None) is None
    monkeypatch.setenv(TOKEN, " \n")  # whoever sets it wants one
    with pytest.raises(InputError, match="blank"):
        _token(None)
