"""``mainspring promote`` and ``rollback``: who may become champion from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def history(call_in: Call, where: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call_in("models", "history", "shop", "--json", where=where).out)
    return found


def champion(call_in: Call, where: Path) -> int:
    return int(json.loads(call_in("models", "show", "shop", "--json", where=where).out)["version"])


def test_promote_and_roll_back(call_in: Call, own_shop: Path) -> None:
    done = call_in("promote", "shop", "3", "--reason", "[approved] by ann", "--json", where=own_shop)
    assert done.code == 0, done.err
    change = json.loads(done.out)
    assert (change["before"], change["after"], change["reason"]) == (1, 3, "[approved] by ann")
    assert champion(call_in, own_shop) == 3
    assert "[approved]" in call_in("models", "history", "shop", where=own_shop).out
    done = call_in("rollback", "shop", "--reason", "too slow", where=own_shop)
    assert (done.code, done.out) == (0, "shop/1 is the champion again, shop/3 is not.\n")
    assert champion(call_in, own_shop) == 1
    assert [(one["before"], one["after"]) for one in history(call_in, own_shop)] == [(None, 1), (1, 3), (3, 1)]
    done = call_in("rollback", "shop", where=own_shop)
    assert done.code == 2
    assert "nothing to roll back to: no champion came before shop/1" in done.err


@pytest.mark.parametrize("override", [[], ["--override", ""], ["--override", "  "]])
def test_a_version_whose_must_failed_is_refused_without_a_reason(
    call_in: Call, shop: Path, override: list[str]
) -> None:
    before = history(call_in, shop)
    done = call_in("promote", "shop", "2", *override, where=shop)
    assert (done.code, done.out) == (2, "")
    assert "shop/2 cannot become champion: it fails roc_auc at least 0.7." in done.err
    assert 'mainspring promote shop 2 --override "why it may"' in done.err
    assert history(call_in, shop) == before
    assert champion(call_in, shop) == 1


def test_an_override_is_shown_by_the_history(call_in: Call, own_shop: Path) -> None:
    done = call_in("promote", "shop", "2", "--override", "nothing else is up", where=own_shop)
    assert (done.code, done.out) == (0, "shop/2 is now the champion, before it was shop/1.\n")
    assert history(call_in, own_shop)[-1]["override"] == "nothing else is up"
    shown = " ".join(call_in("models", "history", "shop", where=own_shop).out.split())
    assert "override:" in shown
    now = history(call_in, own_shop)[-1]["time"]
    said = call_in("models", "at", now, "shop", where=own_shop).out
    assert "Override: nothing else is up" in said
    done = call_in("promote", "shop", "3", "--override", "not needed", "--json", where=own_shop)
    assert json.loads(done.out)["override"] is None


def test_another_alias_is_free(call_in: Call, own_shop: Path) -> None:
    assert call_in("promote", "shop", "2", "--alias", "challenger", where=own_shop).code == 0
    assert json.loads(call_in("models", "show", "shop@challenger", "--json", where=own_shop).out)["version"] == 2
    assert champion(call_in, own_shop) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "shop", "1"], "shop/1 is the champion already"),
        (["promote", "shop", "7"], "The model 'shop' has no version 7; it has 1 to 3."),
        (["promote", "shpo", "1"], "Did you mean shop?"),
        (["promote", "shop", "three"], "promote --help"),
        (["promote", "shop"], "promote --help"),
        (["rollback", "shpo"], "Did you mean shop?"),
        (["rollback", "shop"], "nothing to roll back to"),
    ],
)
def test_wrong_use_is_one_message_and_changes_nothing(
    call_in: Call, shop: Path, arguments: list[str], message: str
) -> None:
    before = history(call_in, shop)
    done = call_in(*arguments, where=shop)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert history(call_in, shop) == before
