"""What a model rests on, for every kind of model."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Contract, ProjectSection
from mainspring.operate.diagnosis import importance
from mainspring.train import fit


@pytest.mark.parametrize("kind", ["lightgbm", "linear", "forest", "hist_gradient_boosting"])
def test_the_column_that_decides_is_named_first_and_noise_last(kind: str) -> None:
    draw = np.random.default_rng(2)
    strong, weak, noise = (draw.normal(size=1_500) for _ in range(3))
    level = draw.choice(["a", "b"], 1_500)
    y = 3 * strong + weak + 2 * (level == "a") + draw.normal(size=1_500) * 0.2 > 1
    frame = pl.DataFrame({"strong": strong, "weak": weak, "level": level, "noise": noise, "y": y})
    contract = Contract(project=ProjectSection(name="p", task="binary", target="y"))
    found = importance(fit(frame, contract, kind=kind), frame)
    assert sum(found.values()) == pytest.approx(1.0)
    order = sorted(found, key=lambda name: -found[name])
    assert order[0] == "strong"
    assert order[-1] == "noise"
    assert set(order) == {"strong", "weak", "level", "noise"}


def test_without_rows_nothing_is_made_up() -> None:
    frame = pl.DataFrame({"x": [float(i) for i in range(200)], "y": [float(i) for i in range(200)]})
    contract = Contract(project=ProjectSection(name="p", task="regression", target="y"))
    assert importance(fit(frame, contract, kind="linear")) == {}
