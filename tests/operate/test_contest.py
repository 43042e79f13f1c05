"""A challenger against the champion."""

from __future__ import annotations

import numpy as np
import polars as pl

from mainspring.contract import Requirement
from mainspring.core.predictions import Predictions
from mainspring.operate.contest import contest
from tests.operate import worlds


def said(chance: list[float]) -> Predictions:
    scores = np.column_stack([1 - np.array(chance), chance])
    return Predictions(np.where(scores[:, 1] >= 0.5, "yes", "no"), scores, ("no", "yes"))


ROWS = pl.DataFrame({"y": ["yes", "no"] * 100, "a": [0.0] * 200})
RIGHT, WRONG = said([0.9, 0.1] * 100), said([0.1, 0.9] * 100)
NEARLY = said([0.9, 0.1] * 99 + [0.1, 0.9])


def test_what_is_better_or_as_good_wins_and_what_is_surely_worse_does_not() -> None:
    plain = worlds.contract()
    better = contest(plain, "accuracy", ROWS, RIGHT, WRONG)
    assert better.won
    assert better.words.startswith("went live: its accuracy is better by 1 (+1 to +1) on 200 fresh rows")
    alike = contest(plain, "accuracy", ROWS, NEARLY, RIGHT)
    assert alike.won
    assert alike.words.startswith("went live: its accuracy is not surely worse, -0.01")
    worse = contest(plain, "accuracy", ROWS, WRONG, RIGHT)
    assert not worse.won
    assert worse.words.startswith("was not promoted: its accuracy is worse by 1")


def test_a_must_that_only_the_challenger_fails_blocks_it() -> None:
    strict = worlds.contract(requirements=(Requirement(metric="accuracy", at_least=0.995),))
    held = contest(strict, "accuracy", ROWS, NEARLY, RIGHT)
    assert not held.won
    assert held.words == "was not promoted: it fails accuracy at least 0.995 (0.99)"
    both = contest(strict, "accuracy", ROWS, NEARLY, NEARLY)
    assert both.won, "the champion fails it too, and the challenger not surely"


def test_a_must_is_not_surely_failed_on_a_row_or_two() -> None:
    rows = ROWS.with_columns(pl.Series("kind", ["rare"] * 2 + ["often"] * 198))
    ours = said([0.1, 0.9] + [0.9, 0.1] * 99)
    rare = Requirement(metric="accuracy", at_least=0.8, where=(("kind", "rare"),))
    held = contest(worlds.contract(requirements=(rare,)), "accuracy", rows, ours, ours)
    assert held.won, "the champion fails it as well, and two rows say nothing"
    often = Requirement(metric="accuracy", at_least=0.8, where=(("kind", "often"),))
    assert not contest(worlds.contract(requirements=(often,)), "accuracy", rows, WRONG, WRONG).won
