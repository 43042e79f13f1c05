"""A challenger to a served model: learned from the pipeline's data and from what was answered and has a label by now.

It is the rehearsal's learner (:mod:`mainspring.operate.learner`) on one history: first the rows of the pipeline, in the
order of their time, then the labelled rows of the prediction log in the order in which they were answered. It is held
against the champion on the freshest of these, which the models that speak for it have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, listed
from mainspring.operate.contest import Contest, contest
from mainspring.operate.live.champions import headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.operate.champion import Champion
    from mainspring.operate.learner import Challenger, SpanFits
    from mainspring.operate.live.document import Memory
    from mainspring.operate.release import Prepared
    from mainspring.project import Project
    from mainspring.workspace import Workspace

MOST_LOGGED = 300_000
"""Of the labelled answers the latest so many are learned from."""
FEWEST_FRESH = 30
"""On fewer labelled answers a challenger and the champion are not compared."""
RECORD = 4
"""What is expected of a new model rests on so many stretches that it, or its like, had not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A challenger that is ready to be registered, and how it did against the champion.

    ``logged``: rows of the prediction log that it learned from; ``memory``: in words, how far back it looks;
    ``unlogged``: features that it did without, for the endpoint was not asked about them.
    """

    prepared: Prepared
    held: Contest
    logged: int
    memory: str
    unlogged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Past:
    """What there is to learn from, in order; the last ``logged`` rows are from the prediction log.

    ``contract`` has the features that are in both: an endpoint is not asked about columns of which its model learned
    nothing, so the log does not have them.
    """

    frame: pl.DataFrame
    logged: int
    contract: Contract
    unlogged: tuple[str, ...]


def build(
    project: Project,
    workspace: Workspace,
    champion: Champion,
    memory: Memory,
    *,
    fresh: int,
    seed: int = 0,
) -> Built:
    """Build a challenger to *champion*; *fresh*: so many labels came since the last one was built.

    Raises InputError where there is too little to learn from or to compare on, PipelineError where the pipeline fails.
    """
    from mainspring.operate.learner import Learner, SpanFits

    past = _past(project, workspace, memory)
    contract = past.contract
    known, usual = past.frame.height, _usual(memory, past.logged)
    compared = min(usual, max(fresh, FEWEST_FRESH), past.logged, known // 2)
    if compared < FEWEST_FRESH:
        raise InputError(
            f"{past.logged:,} of the answered rows have a label; {FEWEST_FRESH} are needed to compare two models"
        )
    fits = SpanFits(past.frame, contract, window=usual, seed=seed)
    learner = Learner(fits, past.frame, contract)
    learner.rehearse(known, usual)
    challenger = learner.challenger(known, compared)
    if challenger is None:
        raise InputError("the labelled rows teach nothing")
    rows = past.frame[known - compared :]
    held = contest(contract, headline(contract), rows, challenger.said, champion.model.predict(rows), seed=seed)
    prepared = _prepared(project, workspace, past, fits, challenger, compared=compared, usual=usual)
    return Built(prepared=prepared, held=held, logged=past.logged, memory=challenger.memory, unlogged=past.unlogged)


def _prepared(
    project: Project,
    workspace: Workspace,
    past: _Past,
    fits: SpanFits,
    challenger: Challenger,
    *,
    compared: int,
    usual: int,
) -> Prepared:
    """The challenger judged and packaged, with what it is to be watched by."""
    from mainspring.core.digest import digest_text
    from mainspring.data.content import frame_digest
    from mainspring.data.split import Split
    from mainspring.operate.champion import crown
    from mainspring.operate.release import prepare, profile_of

    contract, frame = past.contract, past.frame
    known = frame.height
    unseen, said = _record(fits, challenger, frame, compared=compared, usual=usual)
    crowned = crown(
        challenger.model,
        contract,
        frame[max(0, known - challenger.stands_for(known, usual)) :],
        version=0,
        unseen=unseen,
        predictions=said,
        metrics=_followed(contract),
        window=usual,
    )
    profile = {**profile_of(challenger.model, crowned.reference, crowned.baseline), "own": False}
    train, test = frame[: known - compared], frame[known - compared :]
    digest = digest_text(f"{frame_digest(train)} {frame_digest(test)}")
    split = Split(train=train, test=test, by="time", column=None, seed=0, digest=digest)
    return prepare(project, workspace, model=challenger.model, split=split, judged=challenger.probe, profile=profile)


def _followed(contract: Contract) -> Sequence[str]:
    from mainspring.monitor.baseline import followed

    return tuple(dict.fromkeys((headline(contract), *followed(contract))))


def _record(
    fits: SpanFits, challenger: Challenger, frame: pl.DataFrame, *, compared: int, usual: int
) -> tuple[pl.DataFrame, Predictions]:
    """The last stretches, and what the same blend says of each that had learned only from the rows before it."""
    import polars as pl

    from mainspring.operate.blend import pooled
    from mainspring.operate.champion import joined

    known = frame.height
    parts, answers = [frame[known - compared :]], [challenger.said]
    for back in range(2, RECORD + 1):
        begin, end = known - back * usual, min(known - (back - 1) * usual, known - compared)
        if begin < 2 * usual or end <= begin:
            break
        models = fits.at(begin).models
        spans = [span for span in challenger.weights if span in models]
        if not spans:
            break
        rows = frame[begin:end]
        weights = [challenger.weights[span] for span in spans]
        if sum(weights) <= 0:
            break
        parts.insert(0, rows)
        answers.insert(0, pooled([models[span].predict(rows) for span in spans], weights))
    return pl.concat(parts), joined(answers)


def _usual(memory: Memory, logged: int) -> int:
    """The labelled rows of a usual window."""
    from mainspring.operate.learner import LEAST_ROWS

    return max(min(memory.usual or logged, logged), LEAST_ROWS)


def _past(project: Project, workspace: Workspace, memory: Memory) -> _Past:
    """The pipeline's rows and the labelled answers, with the same columns in the same types."""
    import polars as pl

    from mainspring.operate.pipeline_data import pipeline_data
    from mainspring.train._fit import features_of

    contract = project.contract
    target, time = contract.project.target, contract.project.time
    own = pipeline_data(project)
    features = list(features_of(own, contract))
    masked = [name for name in contract.personal if name in features]
    if masked:
        raise InputError(
            f"the prediction log masks {listed(masked)}, on which the model rests: answered rows cannot be learned "
            "from. Retrain on fresh data instead: mainspring run"
        )
    if time is not None and time in own.columns:
        own = own.sort(time, maintain_order=True)
    logged = _logged(workspace, contract.project.name, features, target, memory)
    own = own.select(*features, target).drop_nulls(target)
    unlogged = [name for name in features if name not in logged.columns]
    features = [name for name in features if name in logged.columns]
    if not features:
        raise InputError("the prediction log has none of the contract's features: they have changed since")
    telling = tuple(name for name in unlogged if own[name].n_unique() > 1)
    own = own.select(*features, target)
    logged = logged.select(_like(own.schema[name], logged.schema[name], name) for name in own.columns)
    own = own.with_columns(
        pl.col(name).cast(pl.String) for name in own.columns if own.schema[name] in (pl.Categorical, pl.Enum)
    )
    frame = pl.concat([own, logged.drop_nulls(target)], how="vertical_relaxed")
    kept = {name: column for name, column in contract.columns.items() if name in own.columns}
    return _Past(frame, logged.height, replace(contract, columns=kept) if contract.columns else contract, telling)


def _logged(workspace: Workspace, model: str, features: list[str], target: str, memory: Memory) -> pl.DataFrame:
    """The labelled answers in order, without what was broken; features under their own names."""
    import polars as pl

    from mainspring.operate.rollout.canary import OWN
    from mainspring.serve.log.columns import FEATURE
    from mainspring.serve.log.read import PredictionLog

    log = PredictionLog(workspace, model)
    known = log.shape.columns
    columns = ["time", "flags", *(FEATURE + name for name in features if FEATURE + name in known)]
    rows = log.labelled(columns=columns).filter(pl.col("label").is_not_null() & OWN)
    found = rows.collect(engine="streaming").sort("time", maintain_order=True).tail(MOST_LOGGED)
    for name, spans in memory.broken.items():
        if FEATURE + name in found.columns:
            inside = pl.any_horizontal((pl.col("time") >= start) & (pl.col("time") < end) for start, end in spans)
            found = found.with_columns(pl.when(~inside).then(pl.col(FEATURE + name)))
    names = {name: name.removeprefix(FEATURE) for name in found.columns if name.startswith(FEATURE)}
    return found.drop("time", "flags", "received").rename({**names, "label": target})


def _like(wanted: pl.DataType, here: pl.DataType, name: str) -> pl.Expr:
    """A logged column in the type of the pipeline's."""
    import polars as pl

    column = pl.col(name)
    if here == wanted or wanted in (pl.Categorical, pl.Enum):
        return column.cast(pl.String) if wanted in (pl.Categorical, pl.Enum) else column
    if wanted == pl.Boolean and here == pl.String:
        return (column == "true").alias(name)
    if isinstance(wanted, pl.Datetime) and isinstance(here, pl.Datetime) and wanted.time_zone is None:
        return column.dt.replace_time_zone(None).cast(wanted)
    return column.cast(wanted, strict=False)
