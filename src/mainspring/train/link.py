"""The scale on which a regression learns its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

Scale: TypeAlias = Literal["identity", "log1p"]
SMEAR_ROWS = 5_000
"""The smearing factor is taken from about so many rows."""


@dataclass(frozen=True, slots=True)
class Link:
    """Target to learning scale and back.

    With ``log1p`` (targets of zero and more) an estimate of the mean of the logarithm is not the logarithm of the mean:
    ``smear`` multiplies it back, so that the mean prediction is the mean target (Duan, Smearing estimate, 1983, in the
    form of a ratio). ``highest`` bounds the learned scale, so that one far extrapolation cannot become an astronomical
    number.
    """

    scale: Scale = "identity"
    smear: float = 1.0
    highest: float = 700.0

    @classmethod
    def fit(cls, scale: Scale, target: Vector) -> Link:
        """The link whose bound is learned from *target*: at most e times its largest value."""
        import numpy as np

        return cls() if scale == "identity" else cls(scale, 1.0, float(np.log1p(target.max())) + 1.0)

    def smeared(self, target: Vector, learned: Vector) -> Link:
        """The link with the factor that gives the *learned* estimates the mean of their *target*."""
        import numpy as np

        if self.scale == "identity":
            return self
        plain = float(np.exp(np.minimum(learned, self.highest)).mean())
        return Link(self.scale, float((target + 1.0).mean()) / plain, self.highest)

    def forward(self, target: Vector) -> Vector:
        """Target to learning scale."""
        import numpy as np

        return target if self.scale == "identity" else np.log1p(target)

    def back(self, learned: Vector) -> Vector:
        """Learning scale to target."""
        import numpy as np

        if self.scale == "identity":
            return learned
        return np.maximum(np.exp(np.minimum(learned, self.highest)) * self.smear - 1.0, 0.0)

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"scale": self.scale, "smear": self.smear, "highest": self.highest}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Link:
        """The link of a state made by :meth:`as_dict`."""
        return cls(state["scale"], float(state["smear"]), float(state["highest"]))
