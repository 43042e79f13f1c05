"""What an endpoint takes from a bundle scores as the bundle does, and without the training library."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mainspring.package import build, load
from mainspring.package.serving import PART, serving
from mainspring.train import fit
from tests.package.conftest import contract, table

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.train.model import Model

HOLDOUT = table(200, seed=1)


def test_scores_as_the_bundle_does(model: Model) -> None:
    bundle = build(model, contract=contract(model.task), holdout=HOLDOUT)
    light = serving(bundle)
    parity = light.replay()
    assert parity is not None
    assert parity.agrees
    assert parity.rows == 16
    matrix = light.model.encoder.encode(HOLDOUT)
    whole = bundle.predictor().predict(HOLDOUT)
    ours = light.model.read(light.scorer(matrix))
    assert list(ours.values) == list(whole.values)
    if whole.scores is not None:
        assert ours.scores is not None
        np.testing.assert_array_equal(ours.scores, whole.scores)


def test_usual_values_are_told_but_for_personal_columns() -> None:
    model = fit(table(), contract("binary"), kind="linear")
    typical = serving(build(model, contract=contract("binary"), holdout=HOLDOUT)).typical
    assert typical["age"] == HOLDOUT["age"].median()
    assert typical["town"] is None


def test_an_older_bundle_is_served_through_its_estimator() -> None:
    model = fit(table(), contract("binary"), kind="linear")
    parts = dict(build(model, contract=contract("binary"), holdout=HOLDOUT).parts)
    del parts[PART]
    from mainspring.package import manifest

    kept = manifest.read({**parts, PART: build(model, contract=contract("binary"), holdout=HOLDOUT).parts[PART]})
    older = manifest.Manifest(
        **{
            **{name: getattr(kept, name) for name in kept.__dataclass_fields__},
            "parts": {name: digest for name, digest in kept.parts.items() if name != PART},
        }
    )
    light = serving(load(parts | {manifest.NAME: older.encode()}))
    assert light.replay() is None
    assert light.model.estimator is not None


@pytest.mark.parametrize("kind", ["linear", "forest", "lightgbm"])
def test_needs_no_training_library(kind: str, tmp_path: Path) -> None:
    params = {"rounds": 20} if kind == "lightgbm" else {}
    model = fit(table(), contract("binary"), kind=kind, params=params)
    build(model, contract=contract("binary"), holdout=HOLDOUT).write(tmp_path / "bundle")
    code = (
        "import sys; from pathlib import Path; from mainspring.package import read; from mainspring.package.serving "
        "import serving; assert serving(read(Path(sys.argv[1]))).replay().agrees; "
        "print(sorted({'sklearn', 'lightgbm', 'polars', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bundle")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
