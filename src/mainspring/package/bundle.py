"""A fitted model made portable: named parts, none of which holds code, under one manifest with their digests.

An endpoint reads bundles when it starts, so what only packaging or predicting takes is imported there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.digest import digest_bytes
from mainspring.core.json import plain
from mainspring.package import manifest as manifests
from mainspring.package.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.package.predictor import PackagedPredictor
    from mainspring.package.scorer import Form
    from mainspring.train.model import Model

EXAMPLES = 512
"""So many held-out rows travel with the model, so that it can be verified anywhere."""
GATE_ROWS = 2_000
"""At most so many held-out rows are replayed before a fast form is kept."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packaged model: its manifest and its parts as bytes."""

    manifest: Manifest
    parts: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest of the manifest, and through it of every part."""
        return digest_bytes(self.parts[manifests.NAME])

    def model(self) -> Model:
        """The fitted model as it was at training."""
        from mainspring.store.formats import model as model_format

        return model_format.load(self.parts)

    def predictor(self, form: Form | None = None) -> PackagedPredictor:
        """The model ready to predict, through the kept form unless another *form* is asked for."""
        from mainspring.package import scorer
        from mainspring.package.predictor import PackagedPredictor

        model = self.model()
        if (form or self.manifest.form) == "onnx":
            return PackagedPredictor(model, scorer.onnx_scorer(self.parts["model.onnx"], model))
        return PackagedPredictor(model, scorer.native(model))

    def json(self, part: str) -> Any:
        """The JSON value of a part such as ``profile.json`` or ``evaluation.json``; None where it is absent."""
        return msgspec.json.decode(self.parts[part]) if part in self.parts else None

    def examples(self) -> tuple[pl.DataFrame, Any]:
        """Held-out rows, and the answer of the estimator for them at packaging: (rows, classes) or (rows,) float64."""
        import numpy as np
        import polars as pl

        answer = np.load(io.BytesIO(self.parts["examples.npy"]), allow_pickle=False)
        return pl.read_parquet(io.BytesIO(self.parts["examples.parquet"])), answer

    def write(self, folder: Path) -> Path:
        """Write the parts as files of a new *folder*, the manifest last, and return the folder."""
        folder.mkdir(parents=True)
        for name in sorted(self.parts, key=lambda part: part == manifests.NAME):
            (folder / name).write_bytes(self.parts[name])
        return folder


def build(
    model: Model,
    *,
    contract: Contract,
    holdout: pl.DataFrame,
    evaluation: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    personal: bool = False,
    created: datetime | None = None,
) -> Bundle:
    """Package *model* with all that is needed to predict, verify and watch it.

    *holdout*: rows the model has not seen; they decide whether the ONNX form is kept, and some travel as examples.
    *evaluation* and *profile* (of the training data, for monitoring) are JSON values. Columns that the contract calls
    personal travel in the examples only if *personal* says so; they are nulled otherwise.
    """
    import numpy as np

    from mainspring.package import scorer, serving
    from mainspring.package.card import card
    from mainspring.package.environment import locked, python_version, requirements
    from mainspring.store.formats import model as model_format

    rows = holdout.select(model.encoder.columns)
    if not personal:
        rows = _masked(rows, contract)
    tried = rows.head(GATE_ROWS)
    parts = model_format.dump(model)
    forms, graph = _forms(model, tried)
    if graph is not None:
        parts["model.onnx"] = graph
    examples = rows.head(EXAMPLES)
    answers = scorer.NativeScorer(model)(model.encoder.encode(examples))
    answer = io.BytesIO()
    np.save(answer, answers, allow_pickle=False)
    table = io.BytesIO()
    examples.write_parquet(table)
    versions = locked()
    parts |= {
        "examples.parquet": table.getvalue(),
        "examples.npy": answer.getvalue(),
        serving.PART: serving.part(model, examples, answers, holdout, contract),
        "contract.json": _json(contract.as_dict()),
        "environment.json": _json({"python": python_version(), "distributions": versions}),
        "requirements.txt": requirements(versions).encode(),
        "README.md": card(model, contract=contract, evaluation=evaluation, forms=forms, versions=versions).encode(),
    }
    if evaluation is not None:
        parts["evaluation.json"] = _json(evaluation)
    if profile is not None:
        parts["profile.json"] = _json(profile)
    manifest = Manifest(
        name=contract.project.name,
        task=model.task,
        target=model.target,
        features=model.features,
        kind=model.kind,
        form="native" if graph is None else "onnx",
        forms=forms,
        created=(created or datetime.now(UTC)).isoformat(),
        python=python_version(),
        mainspring=versions.get("mainspring", ""),
        parts={name: digest_bytes(part) for name, part in sorted(parts.items())},
    )
    return Bundle(manifest, parts | {manifests.NAME: manifest.encode()})


def load(parts: Mapping[str, bytes]) -> Bundle:
    """The bundle of *parts*, each held against its digest. Raises StoreError naming what is damaged; runs nothing."""
    return Bundle(manifests.read(parts), dict(parts))


def read(folder: Path) -> Bundle:
    """The bundle in *folder*. Raises StoreError where it is damaged or none."""
    return load({path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()})


def _forms(model: Model, rows: pl.DataFrame) -> tuple[dict[str, dict[str, Any]], bytes | None]:
    """The verdict on each form, and the ONNX graph if it may be used."""
    from mainspring.package import onnx, parity, scorer

    forms: dict[str, dict[str, Any]] = {"native": {"kept": True}}
    try:
        graph = onnx.convert(model.estimator, len(model.encoder.outputs))
        found = parity.gate(scorer.onnx_scorer(graph, model), model, rows)
    except onnx.NotConvertible as why:
        return forms | {"onnx": {"kept": False, "reason": str(why)}}, None
    verdict: dict[str, Any] = {
        "kept": found.agrees,
        "largest_difference": found.largest_difference,
        "tolerance": found.tolerance,
        "rows": found.rows,
    }
    if not found.agrees:
        verdict["reason"] = f"differs from the estimator by up to {found.largest_difference:.3g}"
    return forms | {"onnx": verdict}, graph if found.agrees else None


def _masked(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    import polars as pl

    private = [name for name in contract.personal if name in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=rows[name].dtype).alias(name) for name in private)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=plain)
