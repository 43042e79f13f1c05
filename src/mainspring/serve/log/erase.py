"""Taking one entity out of the log and its labels for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.core.errors import Refused
from mainspring.serve.log import compact, segment, shape
from mainspring.serve.log.mask import Mask

if TYPE_CHECKING:
    import polars as pl

    from mainspring.ledger.ports import Segment
    from mainspring.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many predictions and labels went, and from how many files."""

    predictions: int
    labels: int
    segments: int


def erase(workspace: Workspace, model: str, entity: str) -> Erased:
    """Remove every prediction of *entity* from the log of *model*, and every label of these and of the entity.

    What living endpoints have in their spools is brought in first. The files are written anew without the rows, and the
    old bytes are deleted at once, so a scan under way may fail. Killed on the way, it is to be called again. Raises
    Refused where an endpoint does not finish its spool in time.
    """
    import polars as pl

    if not compact.finish_spools(workspace, model, patience=5.0):
        raise Refused(f"An endpoint of {model} did not hand over what it logged. Try again in a moment.")
    compact.compact(workspace, model)
    known = shape.of(workspace.ledger, model)
    name = Mask(workspace.root).text(entity) if known.personal else entity
    ids: list[str] = []
    counts = {"predictions": 0, "labels": 0}
    files = 0
    with compact.locked(workspace, model):
        for each in workspace.ledger.segments.search(model=model, kind="predictions"):
            its = segment.scan(workspace.store, each.digest, ["id", "entity"]).filter(pl.col("entity") == name)
            found = its.select("id").collect()["id"].to_list()
            if found:
                ids += found
                counts["predictions"] += len(found)
                files += _without(workspace, each, pl.col("entity") == name)
        gone = pl.Series("id", ids, pl.String)
        about = ((pl.col("entity") == name) | pl.col("id").is_in(gone.implode())).fill_null(value=False)
        for each in workspace.ledger.segments.search(model=model, kind="labels"):
            number = segment.scan(workspace.store, each.digest).filter(about).select(pl.len()).collect().item()
            if number:
                counts["labels"] += number
                files += _without(workspace, each, about)
    return Erased(**counts, segments=files)


def _without(workspace: Workspace, each: Segment, unwanted: pl.Expr) -> int:
    """Write the segment anew without the *unwanted* rows, or remove it where nothing is left."""
    rows = segment.read(workspace.store, each)
    left = rows.filter(~unwanted.fill_null(value=False))
    if left.is_empty():
        workspace.ledger.segments.delete([each.id])
    else:
        made = segment.write(workspace.store, left, model=each.model, kind=each.kind, source="erase", sequence=each.id)
        workspace.ledger.segments.replace([each.id], made)
    workspace.store.delete(each.digest)
    return 1
