"""``mainspring predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._model import ModelName, bundle_of
from mainspring.cli._workspace import Where  # noqa: TC001  # the parser reads this annotation

if TYPE_CHECKING:
    import polars as pl

    from mainspring.core.predictions import Predictions


def predict(
    model: ModelName,
    file: Annotated[
        str, Parameter(help="CSV, Parquet or JSON lines; - (the default) for a pipe.", allow_leading_hyphen=True)
    ] = "-",
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            help="Where to write: .parquet, .csv or .jsonl; default: CSV to standard output.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    workspace: Where = None,
) -> None:
    """Score the rows of a file or a pipe: every column comes back with ``prediction`` and its probability behind it."""
    from mainspring.cli._output import err
    from mainspring.data.read import read_with_report
    from mainspring.data.write import encode, write

    predictor = bundle_of(model, workspace).predictor()
    frame, report = read_with_report(file)
    for note in report.notes:
        err().print(f"{report.source}: {note}", style="dim", markup=False)
    scored = with_predictions(frame, predictor.predict(frame))
    if output is None or output == "-":
        sys.stdout.buffer.write(encode(scored, ".csv"))
        sys.stdout.buffer.flush()
        return
    path = write(scored, Path(output))
    err().print(f"{scored.height:,} rows scored, written to {path}", markup=False)


def with_predictions(frame: pl.DataFrame, predictions: Predictions) -> pl.DataFrame:
    """*frame* with ``prediction``, and ``probability`` of the positive class or ``probability_<class>`` of each."""
    import polars as pl

    columns = [pl.Series("prediction", predictions.values.tolist(), strict=False)]
    if predictions.scores is not None and predictions.classes is not None:
        if len(predictions.classes) == 2:
            columns.append(pl.Series("probability", predictions.positive))
        else:
            columns += [
                pl.Series(f"probability_{label}", predictions.scores[:, place])
                for place, label in enumerate(predictions.classes)
            ]
    return frame.with_columns(columns)
