"""A loaded version says what the bundle says, in JSON, and one that is not as it was made is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from mainspring.package import build
from mainspring.serve.served import Served, Unfit
from mainspring.train import fit
from tests.package.conftest import contract, table
from tests.serve import shop

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.train.model import Model


def test_scores_are_those_of_the_bundle(model: Model) -> None:
    terms = contract(model.task)
    bundle = build(model, contract=terms, holdout=table(200, seed=1))
    served = Served(bundle, name="demo", version=3)
    served.warm()
    rows = table(50, seed=2)
    whole = bundle.predictor().predict(rows)
    matrix = served.model.encoder.encode(rows)
    for scored in (served.score(matrix), served.score_each(matrix)):
        assert scored.values == whole.values.tolist()
        assert scored.scores == (None if whole.scores is None else whole.scores.tolist())
    wire = msgspec.json.encode(rows.select("age", "score", "town").to_dicts())
    np.testing.assert_array_equal(served.matrix(served.compiled.rows(wire)), matrix)


def test_an_answer_is_json_whatever_names_and_labels_are() -> None:
    name = 'a "quoted" 100 %s'
    served = Served(shop.bundle(), name=name, version=7)
    scored = served.score(served.model.encoder.encode_row(shop.GOOD))
    assert scored.scores is not None
    said = json.loads(served.answer("01ABC", scored.values[0], scored.scores[0], "imputed:age,type:town"))
    assert said == {
        "id": "01ABC",
        "model": name,
        "version": 7,
        "prediction": scored.values[0],
        "probabilities": dict(zip(["no", "yes"], scored.scores[0], strict=True)),
        "flags": ["imputed:age", "type:town"],
    }
    many = json.loads(served.answer_many("01ABC", scored, [None]))
    assert many["rows"] == 1
    assert many["predictions"] == scored.values
    assert many["probabilities"] == {"no": [scored.scores[0][0]], "yes": [scored.scores[0][1]]}


def test_a_regression_answers_a_number() -> None:
    served = Served(shop.regression(), name="shop", version=1)
    said = json.loads(served.answer("x", 12.5, None, None))
    assert said == {"id": "x", "model": "shop", "version": 1, "prediction": 12.5}
    assert json.loads(served.answer("x", float("inf"), None, None))["prediction"] is None


def test_threshold_decides_as_the_model_does() -> None:
    from dataclasses import replace

    model = replace(fit(shop.table(), shop.contract(), kind="linear"), threshold=0.9)
    bundle = build(model, contract=shop.contract(), holdout=shop.table(100, seed=1))
    served = Served(bundle, name="shop", version=1)
    rows = shop.table(200, seed=3)
    assert served.score(served.model.encoder.encode(rows)).values == model.predict(rows).values.tolist()


def test_a_bundle_that_is_damaged_or_predicts_otherwise_is_refused(tmp_path: Path) -> None:
    folder = shop.bundle().write(tmp_path / "damaged")
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "model.onnx").write_bytes(bytes(graph))
    with pytest.raises(Unfit, match=r"shop/2 cannot be served: The bundle is not as it was made: model.onnx changed"):
        Served.load(folder, name="shop", version=2)


def test_a_version_whose_examples_disagree_is_refused(tmp_path: Path) -> None:
    bundle = shop.bundle()
    extra = bundle.json("serving.json")
    extra["answers"] = [row[::-1] for row in extra["answers"]]
    from dataclasses import replace

    from mainspring.core.digest import digest_bytes

    part = msgspec.json.encode(extra)
    manifest = replace(bundle.manifest, parts={**bundle.manifest.parts, "serving.json": digest_bytes(part)})
    folder = tmp_path / "b"
    type(bundle)(manifest, {**bundle.parts, "serving.json": part, "manifest.json": manifest.encode()}).write(folder)
    with pytest.raises(Unfit, match=r"shop/1 does not predict as at training: its 16 example rows differ by up to "):
        Served.load(folder, name="shop", version=1)
