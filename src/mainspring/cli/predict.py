"""``mainspring predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._model import ModelName, bundle_of
from mainspring.cli._workspace import Json, Where  # noqa: TC001  # the parser reads these annotations
from mainspring.core.errors import listed

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
    json: Json = False,
) -> None:
    """Score the rows of a file or a pipe: every column comes back with ``prediction`` and its probability behind it.

    With --json what was done is told as one object; without -o the predictions are in it.
    """
    from mainspring.cli._output import emit_json, err
    from mainspring.data.read import read_with_report
    from mainspring.data.write import encode, known, write

    path = None if output in (None, "-") else Path(output)
    if path is not None:
        known(path.suffix)  # a suffix that is not known is said before anything is read or scored
    bundle = bundle_of(model, workspace)
    predictor = bundle.predictor()
    frame, report = read_with_report(file)
    for note in report.notes:
        err().print(f"{report.source}: {note}", style="dim", markup=False)
    added = answers(predictor.predict(frame))
    replaced = [name for name in added.columns if name in frame.columns]
    if replaced:
        err().print(f"{report.source} had {listed(replaced)} already: replaced", style="yellow", markup=False)
    scored = frame.with_columns(added.get_columns())
    if path is not None:
        write(scored, path)
        err().print(f"{scored.height:,} rows scored, written to {path}", markup=False)
    if json:
        told = {"model": model, "digest": bundle.digest, "form": bundle.manifest.form, "rows": scored.height}
        emit_json(told | {"output": path, "predictions": None if path is not None else added.to_dicts()})
    elif path is None:
        sys.stdout.buffer.write(encode(scored, ".csv"))
        sys.stdout.buffer.flush()


def answers(predictions: Predictions) -> pl.DataFrame:
    """``prediction``, and ``probability`` of the positive class or ``probability_<class>`` of each."""
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
    return pl.DataFrame(columns)
