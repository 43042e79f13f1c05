"""Scoring through a bundle in this process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from mainspring.contract import Contract
from mainspring.data.written import Written, texts_of
from mainspring.features.encoder import require
from mainspring.serve.batch.judge import Judge
from mainspring.serve.batch.scored import Scored, answers, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.package import Bundle
    from mainspring.package.predictor import PackagedPredictor
    from mainspring.package.serving import Serving
    from mainspring.serve.batch.scored import Scoring

BLOCK = 16_384


class LocalScoring:
    """Scores through *bundle*; *name* and *version* are told, None where the bundle is in no registry."""

    def __init__(self, bundle: Bundle, *, name: str, version: int | None = None) -> None:
        """Nothing is loaded before the first row."""
        self._bundle = bundle
        self._name = name
        self._version = version

    @property
    def identity(self) -> dict[str, Any]:
        """The bundle by its digest: two versions with equal bytes give equal answers."""
        return {"model": self._name, "version": self._version, "digest": self._bundle.digest}

    @cached_property
    def written(self) -> Written:
        """What neither the contract declares nor the model reads keeps its characters, besides their texts."""
        contract, features = self._contract, frozenset(self._serving.model.features)
        texts = texts_of(contract)
        return Written(typed=(features | contract.columns.keys()) - texts, learned=features & texts)

    def require(self, columns: Sequence[str]) -> None:
        """Raise InputError where the model needs a column that is not among *columns*."""
        require(self._serving.model.encoder.columns, columns)

    def score(self, frame: pl.DataFrame, *, place: str = "") -> Scored:
        """Judge the rows by the bundle's contract and score those that it lets through."""
        import polars as pl

        model = self._serving.model
        model.encoder.encode(frame.head(0))  # a missing column, or one of a kind that no row could be read from
        judged = self._judge(frame)
        # by blocks: what a model needs besides its answers is then held for a few rows only
        starts = range(0, max(1, judged.frame.height), BLOCK)
        answered = pl.concat(answers(self._predictor.predict(judged.frame.slice(start, BLOCK))) for start in starts)
        columns = spread(answered, judged.scored).with_columns(judged.flags)
        return Scored(columns, judged.rejected, judged.flagged)

    def close(self) -> None:
        """Nothing is held."""

    @cached_property
    def _serving(self) -> Serving:
        from mainspring.package.serving import serving

        return serving(self._bundle)

    @cached_property
    def _predictor(self) -> PackagedPredictor:
        from mainspring.package.predictor import PackagedPredictor

        return PackagedPredictor(self._serving.model, self._serving.scorer)

    @cached_property
    def _judge(self) -> Judge:
        columns = self._contract.columns
        features = [columns[name] for name in self._serving.model.features if name in columns]
        return Judge(features, self._serving.typical)

    @cached_property
    def _contract(self) -> Contract:
        return Contract.from_dict(self._bundle.json("contract.json"), source=f"the contract of {self._name}")


if TYPE_CHECKING:

    def _fits(local: LocalScoring) -> Scoring:
        return local
