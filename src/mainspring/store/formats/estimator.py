"""Fitted estimators as bytes that hold data and no code: LightGBM's own text, skops for scikit-learn.

Pickle is never written and never read here. The list of types that may be rebuilt belongs to this module, not to the
file: a file that names another type is refused before anything of it is built.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import StoreError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

SKOPS = "estimator.skops"
BOOSTER = "booster.txt"
STATE = "estimator.json"

TRUSTED = frozenset(
    {
        # plain data behind public scikit-learn estimators, which skops trusts; none of them runs code of the file
        "collections.OrderedDict",
        "numpy.dtype",
        "numpy.random._pickle.__randomstate_ctor",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.tree._tree.Tree",
    }
)
"""Types beyond the ones skops trusts by itself that an estimator file may name."""


class BoosterEstimator:
    """A LightGBM model read back from its text: predicts exactly as the estimator that was written.

    ``classes_`` are the class places (None for a regression); scores come from the booster, with no refit possible.
    """

    def __init__(self, text: str, classes: list[int] | None) -> None:
        """Build the booster from its *text*."""
        import lightgbm
        import numpy as np

        self.booster_ = lightgbm.Booster(model_str=text)
        self.classes_: Any = None if classes is None else np.asarray(classes, np.int64)
        self.n_features_in_ = self.booster_.num_feature()

    @property
    def feature_importances_(self) -> np.ndarray[Any, Any]:
        """Total gain by feature, shape (features,)."""
        import numpy as np

        return np.asarray(self.booster_.feature_importance("gain"))

    def predict_proba(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Class probabilities, shape (rows, classes)."""
        import numpy as np

        raw = np.asarray(self.booster_.predict(X))
        return np.column_stack([1.0 - raw, raw]) if raw.ndim == 1 else raw

    def predict(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Numbers for a regression, the most probable class's place otherwise; shape (rows,)."""
        import numpy as np

        if self.classes_ is None:
            return np.asarray(self.booster_.predict(X))
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def dump(estimator: Any) -> dict[str, bytes]:
    """The *estimator* as named parts. Raises StoreError where a type in it is not on the list."""
    booster = _booster(estimator)
    if booster is not None:
        classes = getattr(estimator, "classes_", None)
        # a bare booster comes back as one; what scikit-learn sees comes back as an estimator
        state: dict[str, Any] = {
            "bare": booster is estimator,
            "classes": None if classes is None else [int(place) for place in classes],
        }
        return {BOOSTER: booster.model_to_string().encode(), STATE: json.dumps(state).encode()}
    import skops.io

    raw = bytes(skops.io.dumps(estimator, compression=8))  # zipfile.ZIP_DEFLATED
    _refuse_untrusted(raw, doing="written")
    return {SKOPS: raw}


def load(parts: Mapping[str, bytes]) -> Any:
    """The estimator of :func:`dump`. Raises StoreError where the file names a type that is not on the list."""
    if BOOSTER in parts:
        state = json.loads(parts[STATE])
        wrapped = BoosterEstimator(parts[BOOSTER].decode(), state["classes"])
        return wrapped.booster_ if state["bare"] else wrapped
    import skops.io

    raw = parts[SKOPS]
    return skops.io.loads(raw, trusted=_refuse_untrusted(raw, doing="read"))


def _booster(estimator: Any) -> Any:
    """The LightGBM booster inside *estimator*, None where there is none or where it is one step among others."""
    if isinstance(estimator, BoosterEstimator):
        return estimator.booster_
    if (type(estimator).__module__, type(estimator).__name__) == ("lightgbm.basic", "Booster"):
        return estimator
    if type(estimator).__module__.partition(".")[0] == "lightgbm":
        return estimator.booster_
    return None


def _refuse_untrusted(raw: bytes, *, doing: str) -> list[str]:
    """The types in the file beyond skops' own list, all of which are on ours."""
    import skops.io

    named = skops.io.get_untrusted_types(data=raw)
    unknown = sorted(set(named) - TRUSTED)
    if unknown:
        raise StoreError(
            f"The estimator cannot be {doing} safely: it holds {listed(unknown)}, which is not on the list of trusted "
            "types. Use estimators of scikit-learn or LightGBM without classes of your own inside."
        )
    return list(named)


class _Estimators:
    """The store's format for estimators."""

    def dump(self, value: Any) -> dict[str, bytes]:
        """See :func:`dump`."""
        return dump(value)

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """See :func:`load`."""
        return load(parts)

    def describe(self, value: Any) -> dict[str, Any]:
        """The class."""
        return {"class": type(value).__name__}


ESTIMATOR = _Estimators()
