from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chi2, hypergeom

from mainspring.monitor import bands, statistic
from mainspring.monitor.bands import ChiSquare


@given(st.floats(0.2, 5), st.floats(1, 300), st.floats(1e-9, 0.5))
def test_bound_and_chance_undo_each_other(scale: float, degrees: float, level: float) -> None:
    law = ChiSquare(scale, degrees)
    assert law.chance(law.bound(level)) == pytest.approx(level, rel=1e-6)
    size = 1_000.0
    assert bands.ks_chance(bands.ks_bound(level, size), size) == pytest.approx(level, rel=1e-6)
    js = bands.js_bound(law, level, 1e5)
    assert law.chance(bands.js_scaled(js, 1e5)) == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize("degrees", [1, 3, 10, 31])
@pytest.mark.parametrize("level", [0.01, 1e-4, 1e-6])
def test_the_cube_root_rule_errs_only_towards_silence(degrees: int, level: float) -> None:
    exact = chi2.isf(level, degrees)
    assert exact * 0.99 <= ChiSquare(1.0, degrees).bound(level) <= exact * 1.15


@pytest.mark.parametrize(
    ("shares", "n", "m"),
    [
        ([0.1] * 10, 100_000, 200),
        ([0.1] * 10, 200, 200),
        ([0.6, 0.3, 0.1], 5_000, 200),
        ([1 / 32] * 32, 20_000, 2_000),
        ([0.5, 0.2, 0.1, 0.1, 0.05, 0.04, 0.01], 2_000, 20_000),
    ],
)
def test_bands_hold_for_both_samples_drawn_anew(shares: list[float], n: int, m: int) -> None:
    """At a level of 1 in 500, twenty thousand pairs of samples: between a quarter and twice what is promised."""
    level, pairs = 0.002, 20_000
    draw = np.random.default_rng(1)
    a, b = draw.multinomial(n, shares, pairs), draw.multinomial(m, shares, pairs)
    reference = np.rint(np.asarray(shares) * n).astype(np.int64)
    laws = bands.divergences(reference, n, m)
    size = bands.effective(n, m)
    psi, js = statistic.psi_and_js(a, b)
    for law, scaled in zip(laws, (psi * size, 8 * math.log(2) * js**2 * size), strict=True):
        assert 0.25 * level < np.mean(scaled > law.bound(level)) < 2 * level
    gaps = np.abs(np.cumsum(a / n, 1) - np.cumsum(b / m, 1)).max(1)
    assert np.mean(gaps > bands.ks_bound(level, size)) <= level
    shifts = np.array([statistic.shift(x, y) for x, y in zip(a[:5_000], b[:5_000], strict=True)])
    z = bands.normal_bound(level / 2)
    assert np.mean(np.abs(shifts[:, 0]) > z * shifts[:, 1]) < 3 * level


def test_bands_shrink_with_the_window_and_share_their_resamples() -> None:
    counts = np.full(10, 100)
    bounds = [bands.divergences(counts, 1_000, m)[0].bound(1e-4) / bands.effective(1_000, m) for m in (200, 400, 900)]
    assert bounds == sorted(bounds, reverse=True)
    assert bands.divergences(counts, 1_000, 200) is bands.divergences(counts + np.arange(10), 1_001, 201)


@pytest.mark.parametrize(("x", "n", "m"), [(0, 1_000, 200), (3, 1_000, 200), (50, 1_000, 1_000), (400, 1_000, 300)])
def test_the_chance_of_a_share_is_near_the_exact_one(x: int, n: int, m: int) -> None:
    """Beside Fisher's exact test, one-sided: never ten times too sure, over the levels that are used."""
    for y in range(m + 1):
        exact = float(hypergeom.sf(y - 1, n + m, x + y, m))
        if 1e-8 < exact < 1e-2:
            assert 0.3 < bands.share_chance(x, n, y, m, sides=1) / exact < 4, (y, exact)


@given(st.integers(0, 50), st.integers(50, 500), st.integers(1, 400), st.floats(1e-8, 0.05))
@example(1, 360, 1, 0.046875)
@example(359, 360, 1, 0.046875)
def test_a_share_band_holds_exactly_what_is_likely(x: int, n: int, m: int, level: float) -> None:
    low, high = bands.share_band(x, n, m, level)
    inside = [y for y in range(m + 1) if bands.share_chance(x, n, y, m) >= level]
    assert round(high * m) == max(inside)
    assert round(low * m) == min(inside)


def test_shares_of_nothing_prove_nothing() -> None:
    assert bands.share_chance(0, 0, 5, 10) == bands.share_chance(5, 10, 0, 0) == 1.0
    assert bands.share_chance(0, 10, 0, 10) == bands.share_chance(10, 10, 10, 10) == 1.0
    assert bands.share_chance(5, 10, 0, 1_000, sides=1) == 1.0


@pytest.mark.parametrize("counts", [[22_000, 0], [22_000, 0, 0], [5, 0, 0, 0, 0, 0]])
@pytest.mark.parametrize("rows", [1, 200, 2_000])
def test_bins_that_the_reference_left_empty_have_a_law_too(counts: list[int], rows: int) -> None:
    for law in bands.divergences(np.array(counts), sum(counts), rows):
        assert 0.0 < law.chance(3.0) < 1.0
        assert math.isfinite(law.bound(0.01))
