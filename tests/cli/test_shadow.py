"""``mainspring shadow``: who listens, from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def test_let_listen_look_and_end_it(call_in: Call, own_shop: Path) -> None:
    done = call_in("shadow", "shop", where=own_shop)
    assert (done.code, done.out) == (0, "No version of shop listens. To let one: mainspring shadow shop VERSION\n")
    done = call_in("shadow", "shop", "2", "3", "--reason", "a look", where=own_shop)
    assert (done.code, done.out) == (
        0, "Now listening: shop/2, shop/3. What is said there: mainspring shadow shop\n",
    )  # fmt: skip
    done = call_in("shadow", "shop", where=own_shop)
    assert [line.partition(" since ")[0] for line in done.out.splitlines()] == ["shop/2 listens", "shop/3 listens"]
    assert "nothing came yet. Is an endpoint serving shop, and is it asked?" in done.out
    found = json.loads(call_in("shadow", "shop", "--json", where=own_shop).out)
    assert [(each["version"], each["rows"], each["alike"]) for each in found["shadow"]] == [(2, 0, None), (3, 0, None)]
    found = json.loads(call_in("shadow", "shop", "--off", "--json", where=own_shop).out)
    assert found == {"model": "shop", "shadow": [], "revision": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop", "1"], "shop/1 is the champion: it answers, so it does not listen"),
        (["shop", "9"], "has no version 9"),
        (["shpo"], "Did you mean shop?"),
        (["shop", "3", "--off"], "Choose one of --off and the versions"),
    ],
)
def test_wrong_use_is_one_message(call_in: Call, shop: Path, arguments: list[str], message: str) -> None:
    done = call_in("shadow", *arguments, where=shop)
    assert (done.code, done.out) == (2, "")
    assert message in " ".join(done.err.split())
