"""A bundle predicts as the model did, says so, and refuses to be anything else than it was."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.core.errors import InputError, StoreError
from mainspring.package import build, load, read, verify
from mainspring.store.formats import estimator
from tests.package.conftest import contract, table

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.train.model import Model

HOLDOUT = table(200, seed=1)


def test_every_kind_and_task_verifies_and_predicts_as_the_model(model: Model) -> None:
    bundle = load(build(model, contract=contract(model.task), holdout=HOLDOUT).parts)
    proof = verify(bundle)
    assert proof.equal
    assert proof.rows == len(HOLDOUT)
    assert proof.largest_difference <= proof.tolerance
    ours, theirs = bundle.predictor().predict(HOLDOUT), model.predict(HOLDOUT)
    if model.task == "regression":
        np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-4, atol=0.05)
    else:
        assert ours.scores is not None
        assert theirs.scores is not None
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
        assert ours.classes == model.classes


def test_one_row_is_scored_as_in_a_frame_by_both_forms(model: Model) -> None:
    bundle = build(model, contract=contract(model.task), holdout=HOLDOUT)
    odd: list[dict[str, Any]] = [
        {"age": None, "score": None, "town": None},
        {"age": 5e9, "score": -0.1, "town": "never seen"},
    ]
    for form in ("native", "onnx") if bundle.manifest.form == "onnx" else ("native",):
        predictor = bundle.predictor(form)
        for row in [*HOLDOUT.head(5).to_dicts(), *odd]:
            one = predictor.predict_row(row)
            frame = pl.DataFrame([row], schema_overrides={"age": pl.Float64, "score": pl.Float64, "town": pl.String})
            many = predictor.predict(pl.concat([frame.select("age", "score", "town")] * 2))
            np.testing.assert_allclose(
                one.values.astype(float) if model.task == "regression" else one.scores,  # type: ignore[arg-type]
                many.values[:1].astype(float) if model.task == "regression" else many.scores[:1],  # type: ignore[index]
                rtol=1e-5,  # a float32 graph may add in another order for one row than for many
                atol=1e-7,
            )


def test_a_lightgbm_threshold_on_a_value_of_the_data_converts_faithfully(lightgbm: Model) -> None:
    bundle = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT)
    assert bundle.manifest.form == "onnx"
    assert bundle.manifest.forms["onnx"]["largest_difference"] < 1e-5


def test_a_wrong_conversion_is_not_kept(lightgbm: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from mainspring.package import onnx

    def shifted(text: str) -> str:
        return "\n".join(
            "threshold=" + " ".join(repr(float(t) + 0.5) for t in line.removeprefix("threshold=").split())
            if line.startswith("threshold=")
            else line
            for line in text.split("\n")
            if not line.startswith("tree_sizes=")
        )

    monkeypatch.setattr(onnx, "float32_thresholds", shifted)
    bundle = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT)
    assert bundle.manifest.form == "native"
    assert "model.onnx" not in bundle.parts
    assert "differs from the estimator" in bundle.manifest.forms["onnx"]["reason"]
    assert verify(bundle).equal


def test_personal_columns_do_not_travel_unless_asked(lightgbm: Model) -> None:
    masked = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT).examples()[0]
    assert masked["town"].null_count() == len(masked)
    kept = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT, personal=True).examples()[0]
    assert kept["town"].null_count() < len(kept)


def test_a_bundle_goes_through_a_folder(lightgbm: Model, tmp_path: Path) -> None:
    bundle = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT)
    assert read(bundle.write(tmp_path / "bundle")).digest == bundle.digest


@pytest.mark.parametrize("part", ["booster.txt", "model.onnx", "examples.npy", "README.md"])
def test_a_damaged_part_is_named(lightgbm: Model, part: str) -> None:
    parts = dict(build(lightgbm, contract=contract("binary"), holdout=HOLDOUT).parts)
    parts[part] = parts[part][:-1] + bytes([parts[part][-1] ^ 1])
    with pytest.raises(StoreError, match=f"not as it was made: {part} changed"):
        load(parts)


def test_an_added_part_a_missing_manifest_and_a_newer_format_are_refused(lightgbm: Model) -> None:
    parts = dict(build(lightgbm, contract=contract("binary"), holdout=HOLDOUT).parts)
    with pytest.raises(StoreError, match=r"evil\.py changed"):
        load(parts | {"evil.py": b"1"})
    with pytest.raises(StoreError, match=r"it has no manifest\.json"):
        load({name: part for name, part in parts.items() if name != "manifest.json"})
    newer = json.loads(parts["manifest.json"]) | {"format": 99}
    with pytest.raises(StoreError, match="has format 99"):
        load(parts | {"manifest.json": json.dumps(newer).encode()})


def test_a_model_that_changed_under_its_examples_is_not_equal(lightgbm: Model) -> None:
    from mainspring.core.digest import digest_bytes

    bundle = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT)
    other = np.load(io.BytesIO(bundle.parts["examples.npy"])) + 0.01
    raw = io.BytesIO()
    np.save(raw, other)
    manifest = json.loads(bundle.parts["manifest.json"])
    manifest["parts"]["examples.npy"] = digest_bytes(raw.getvalue())
    forged = load({**bundle.parts, "examples.npy": raw.getvalue(), "manifest.json": json.dumps(manifest).encode()})
    proof = verify(forged)
    assert not proof.equal
    assert proof.largest_difference == pytest.approx(0.01, rel=1e-3)


def test_a_missing_column_is_named(lightgbm: Model) -> None:
    predictor = build(lightgbm, contract=contract("binary"), holdout=HOLDOUT).predictor()
    with pytest.raises(InputError, match="'town' is needed and missing"):
        predictor.predict(HOLDOUT.drop("town"))


def test_the_card_tells_the_evidence(lightgbm: Model) -> None:
    evidence = {
        "metrics": {"roc_auc": {"value": 0.91, "low": 0.88, "high": 0.93, "rows": 200}},
        "verdicts": [
            {"requirement": "f1 at least 0.9", "metric": "f1", "stage": "holdout", "priority": "must", "value": 0.5,
             "result": "fail", "reason": ""}
        ],
        "slices": [],
    }  # fmt: skip
    card = (
        build(lightgbm, contract=contract("binary"), holdout=HOLDOUT, evaluation=evidence).parts["README.md"].decode()
    )
    assert card.startswith("---\nlibrary_name: ")
    assert "| roc_auc | 0.91 | 0.88 | 0.93 | 200 |" in card
    assert "Requirements that do not hold: f1 at least 0.9." in card
    assert "Personal columns: town." in card


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return type(self.path).write_text, (self.path, "ran")


def test_a_pickle_in_place_of_a_weight_is_never_run(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    raw = pickle.dumps(Evil(proof))
    pickle.loads(raw)  # noqa: S301  # shows that the bait works
    proof.unlink()
    with pytest.raises(zipfile.BadZipFile):
        estimator.load({estimator.SKOPS: raw})
    assert not proof.exists()


def test_a_type_that_is_not_on_our_list_is_refused_before_it_is_built() -> None:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    raw = estimator.dump(fitted)[estimator.SKOPS]
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        schema = json.loads(archive.read("schema.json"))
        others = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    schema["__class__"], schema["__module__"] = "Popen", "subprocess"
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, part in others.items():
            archive.writestr(name, part)
    with pytest.raises(StoreError, match=r"cannot be read safely: it holds subprocess\.Popen"):
        estimator.load({estimator.SKOPS: forged.getvalue()})
