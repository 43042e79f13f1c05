"""The comparison that may be made again and again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.operate.rollout.compare import ALPHA, Counts, is_worse, log_evidence


def test_the_evidence_is_the_mean_likelihood_ratio_over_the_unfair_shares() -> None:
    canary, champion = Counts(answers=300, bad=7), Counts(answers=700, bad=4)
    shares = np.linspace(0.3, 1, 200_001)[1:-1]
    ratios = (shares / 0.3) ** 7 * ((1 - shares) / 0.7) ** 4
    assert log_evidence(canary, champion) == pytest.approx(math.log(ratios.mean()), abs=1e-3)


def test_a_version_that_is_no_worse_is_hardly_ever_called_worse_however_often_one_looks() -> None:
    draw = np.random.default_rng(0)
    called = 0
    for _ in range(200):
        mine = (draw.random(200) < 0.1).cumsum()
        called += any(
            is_worse(Counts(answers=1_000, bad=int(bad)), Counts(answers=9_000, bad=seen - int(bad)), alpha=0.05)
            for seen, bad in enumerate(mine, 1)
        )
    assert called / 200 <= 0.05


def test_three_errors_of_a_small_canary_beside_none_are_enough() -> None:
    assert not is_worse(Counts(answers=50, bad=1), Counts(answers=950, bad=0))
    assert is_worse(Counts(answers=50, bad=3), Counts(answers=950, bad=0))


def test_errors_that_both_have_are_nobodys_fault() -> None:
    assert not is_worse(Counts(answers=500, bad=100), Counts(answers=9_500, bad=1_900))


def test_nothing_is_compared_with_nothing() -> None:
    assert not is_worse(Counts(answers=500, bad=500), Counts(answers=0, bad=0))
    assert not is_worse(Counts(answers=0, bad=0), Counts(answers=10, bad=1))


@given(ours=st.integers(1, 10**6), theirs=st.integers(1, 10**6), data=st.data())
def test_a_larger_share_of_good_answers_is_never_worse(ours: int, theirs: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, theirs))
    mine = data.draw(st.integers(0, ours * bad // theirs))
    evidence = log_evidence(Counts(answers=ours, bad=mine), Counts(answers=theirs, bad=bad))
    assert evidence < -math.log(ALPHA)
