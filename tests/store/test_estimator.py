"""A fitted estimator comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest

from mainspring.store.formats import estimator
from mainspring.store.formats.model import dump, load
from tests.package.conftest import KINDS, contract, table


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_and_can_be_written_again(kind: str) -> None:
    from mainspring.train import fit

    model = fit(table(200), contract("binary"), kind=kind)
    parts = dump(model)
    back = load(parts)
    ours, theirs = back.predict(table(50, seed=5)).scores, model.predict(table(50, seed=5)).scores
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)  # type: ignore[arg-type]
    assert dump(back).keys() == parts.keys()


def test_a_bare_booster_comes_back_as_one() -> None:
    import lightgbm

    data = lightgbm.Dataset(np.arange(200.0).reshape(100, 2), np.arange(100) % 2)
    booster = lightgbm.train({"verbose": -1, "objective": "binary", "num_threads": 1}, data, 3)
    back = estimator.load(estimator.dump(booster))
    assert isinstance(back, lightgbm.Booster)
    np.testing.assert_array_equal(back.predict(np.ones((1, 2))), booster.predict(np.ones((1, 2))))
