"""Plotly figures as Plotly's own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = "figure.json"


class PlotlyFigure:
    """A Plotly figure; comes back as ``plotly.graph_objects.Figure``."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One JSON file, which any Plotly can show."""
        return {_PART: value.to_json(engine="json").encode()}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The figure, with every property checked by Plotly."""
        import plotly.io

        return plotly.io.from_json(parts[_PART].decode(), engine="json")

    def describe(self, value: Any) -> dict[str, Any]:
        """The kinds of its traces."""
        return {"traces": [trace.type for trace in value.data]}


FIGURE = PlotlyFigure()
