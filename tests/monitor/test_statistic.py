from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, mannwhitneyu, norm

from mainspring.monitor import statistic

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=30).filter(
    lambda pairs: sum(a for a, _ in pairs) > 0 and sum(b for _, b in pairs) > 0
)


@settings(max_examples=100, deadline=None)
@given(COUNTS)
def test_each_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs).T
    one, two = np.repeat(np.arange(len(a)), a), np.repeat(np.arange(len(b)), b)
    assert statistic.psi_and_js(a, b)[1] == pytest.approx(jensenshannon(a + 0.5, b + 0.5, base=2), abs=1e-7)
    assert statistic.ks(a, b) == pytest.approx(ks_2samp(one, two).statistic, abs=1e-12)
    value, deviation = statistic.shift(a, b)
    tested = mannwhitneyu(two, one, use_continuity=False, method="asymptotic")
    assert value == pytest.approx(tested.statistic / len(one) / len(two) - 0.5, abs=1e-12)
    if deviation > 1e-9:
        assert min(1.0, 2 * norm.sf(abs(value) / deviation)) == pytest.approx(tested.pvalue, abs=1e-6)


def test_known_answers() -> None:
    a, b = np.array([100, 100]), np.array([100, 300])
    assert statistic.psi_and_js(a, b)[0] == pytest.approx(0.25 * np.log(3), rel=0.02)
    assert statistic.psi_and_js(np.array([10**9, 0]), np.array([0, 10**9]))[1] == pytest.approx(1, abs=1e-6)
    assert statistic.ks(a, b) == statistic.moved(a, b) == pytest.approx(0.25)
    assert statistic.shift(np.array([5, 0]), np.array([0, 5]))[0] == 0.5


def test_many_samples_at_once_are_the_same_as_one_at_a_time() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 50, (2, 7, 12))
    whole = np.transpose(statistic.psi_and_js(a, b))
    assert whole == pytest.approx(np.array([statistic.psi_and_js(x, y) for x, y in zip(a, b, strict=True)]))
