"""The truth as it comes in: late, twice, corrected, or about predictions that were never made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, Refused, quote, suggestion
from mainspring.core.frames import as_frame
from mainspring.serve.log.identity import LENGTH, entity_text, made_at, new_id

if TYPE_CHECKING:
    import polars as pl

    from mainspring.serve.log.read import PredictionLog
    from mainspring.serve.log.schema import Kind
    from mainspring.serve.log.shape import Shape
    from mainspring.workspace import Workspace

STATE = "labels"
"""The kind of the ledger's state that holds a model's counts and the time of its last label."""
COLUMNS = ("id", "entity", "time", "label")
_ATTEMPTS = 20
_TRUE = {"true", "1", "1.0", "yes", "y", "t"}
_FALSE = {"false", "0", "0.0", "no", "n", "f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """What became of a table of labels. Every one of ``rows`` is new, duplicate, corrected or empty.

    ``duplicate``: the same label of the same prediction was there already. ``corrected``: another one was there, and
    this one counts from now on. ``empty``: no label in it. Of the new and corrected, ``unknown`` are about predictions
    that are not in the log (now; they count as soon as they are), ``unanswered`` about requests that are in the log
    and got no answer to be judged (refused, say), and ``late`` came longer after their predictions than labels are
    expected to. Where it was asked for, ``early`` and ``stale`` say how many of the unknown are of entities that are in
    the log: from before its predictions, or too long after them.
    """

    rows: int = 0
    new: int = 0
    duplicate: int = 0
    corrected: int = 0
    empty: int = 0
    unknown: int = 0
    unanswered: int = 0
    early: int = 0
    stale: int = 0
    late: int = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """Both together."""
        mine, theirs = asdict(self), asdict(other)
        return LabelCounts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTotals:
    """All labels of a model: what came in since the beginning, and how it stands now.

    ``predictions`` answers are in the log, ``labelled`` of them have a label. ``orphans`` labels belong to no request
    in the log; ``early`` and ``stale`` of them are of entities that are in it: from before its predictions, or too long
    after them. ``unanswered`` labels are about requests that got no answer to be judged. That is all of them; several
    of one prediction count as one.
    """

    taken: LabelCounts
    predictions: int
    labelled: int
    orphans: int
    unanswered: int = 0
    early: int = 0
    stale: int = 0


def add(
    workspace: Workspace,
    model: str,
    rows: Any,
    *,
    source: str,
    expected_within: timedelta | None = None,
    tolerance: timedelta | None = None,
    explain: bool = False,
) -> LabelCounts:
    """Take labels of predictions of *model*: a frame, or rows as mappings, with ``label`` and ``id``, or ``entity``.

    With the entity goes the ``time`` of what the label says (ISO 8601, UTC where it names no zone; a date means the end
    of that day; now where it is missing): the label belongs to the latest prediction of that entity at or before it,
    none older than *tolerance* (30 days). Where both are given the id counts. *source* says where the labels come from,
    *expected_within* when a label is late; *explain*: say why a label by entity belongs to nothing, though that reads
    much of the log.

    All or nothing, also when the process is killed; taken again, all are duplicates. Raises InputError for a row that
    names no prediction, a time that cannot be read, or a label that cannot be one of this model's.
    """
    from mainspring.serve.log.read import TOLERANCE, PredictionLog

    known = _shape(workspace, model)
    frame = _frame(rows)
    tidy, empty = _tidy(frame, workspace.clock.now(), known.label)
    if tidy.is_empty():
        return LabelCounts(rows=frame.height, empty=empty)
    if known.personal:
        tidy = _masked(tidy, workspace)
    log = PredictionLog(workspace, model)
    for attempt in range(_ATTEMPTS):
        try:
            return _take(
                workspace, log, tidy, source=source, expected_within=expected_within,
                tolerance=tolerance or TOLERANCE, explain=explain,
                counts=LabelCounts(rows=frame.height, empty=empty),
            )  # fmt: skip
        except Refused:  # somebody else added labels meanwhile: what is new must be seen again
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # the loop returns or raises


def count(workspace: Workspace, model: str, *, tolerance: timedelta | None = None) -> LabelTotals:
    """How the labels of *model* stand."""
    import polars as pl

    from mainspring.serve import standing
    from mainspring.serve.log.read import ANSWERED, TOLERANCE, PredictionLog

    log = PredictionLog(workspace, model)
    state = workspace.ledger.states.get(STATE, model)
    span = tolerance or TOLERANCE
    answers = log.scan(roles=ANSWERED).filter(pl.col("prediction").is_not_null()).select(pl.len())
    joined = log.labelled(columns=["id", "prediction"], tolerance=span).filter(pl.col("prediction").is_not_null())
    labels = log.labels().select("id", "entity", "time", "about").collect(engine="streaming")
    lone = standing.unmatched(log, standing.placed(log, _last_of_each(labels), tolerance=span), explain=True)
    return LabelTotals(
        taken=LabelCounts() if state is None else _counts(state.value["taken"]),
        predictions=int(answers.collect(engine="streaming").item()) if log.segments() else 0,
        labelled=joined.select(pl.len()).collect(engine="streaming").item(),
        orphans=lone.unknown,
        unanswered=lone.unanswered,
        early=lone.early,
        stale=lone.stale,
    )


def _counts(value: Mapping[str, int]) -> LabelCounts:
    """Counts as they were saved, perhaps by a version that counted other things too."""
    return LabelCounts(**{each.name: value.get(each.name, 0) for each in fields(LabelCounts)})


def _shape(workspace: Workspace, model: str) -> Shape:
    """What labels of *model* look like: as its log says, or where nothing was logged yet, its registered version."""
    from mainspring.contract import Contract
    from mainspring.registry import Registry
    from mainspring.serve.log import shape
    from mainspring.serve.log.schema import schema_of

    known = shape.of(workspace.ledger, model)
    if known.label is not None:
        return known
    registry = Registry(workspace)
    version = registry.champion(model)
    if version is None:
        return known
    bundle = registry.load(version)
    contract = Contract.from_dict(bundle.json("contract.json"), source=f"{model}/{version.version}")
    classes = bundle.json("model.json")["classes"]
    schema = schema_of(contract, version=version.version, features=bundle.manifest.features, classes=classes)
    shape.declare(workspace.ledger, model, schema)
    return shape.of(workspace.ledger, model)


def _take(
    workspace: Workspace,
    log: PredictionLog,
    tidy: pl.DataFrame,
    *,
    source: str,
    expected_within: timedelta | None,
    tolerance: timedelta,
    explain: bool,
    counts: LabelCounts,
) -> LabelCounts:
    """Compare with what is there, and add what is new, in one transaction."""
    import polars as pl

    from mainspring.serve import standing
    from mainspring.serve.log import segment
    from mainspring.serve.log.read import FOREIGN, label_columns

    states = workspace.ledger.states
    state = states.get(STATE, log.model)
    before = LabelCounts() if state is None else _counts(state.value["taken"])
    last = 0 if state is None else int(state.value["received"])
    received = max(round(workspace.clock.now().timestamp() * 1e6), last + 1)  # rises though the clock may go back
    fresh, verdicts = _judged(log, tidy, tolerance=tolerance)
    number = dict(verdicts.value_counts().iter_rows())
    stamp = pl.lit(received, pl.Int64).cast(label_columns()["received"])
    kept = _last_of_each(fresh.with_columns(received=stamp, source=pl.lit(source)))
    counted = kept.filter(pl.col("verdict") != "duplicate")
    late = 0
    if expected_within is not None:
        waited = pl.col("received") - pl.col("about")
        late = counted.filter(waited > expected_within, pl.col("about") > FOREIGN).height
    lone = standing.unmatched(log, counted, explain=explain)
    done = counts + LabelCounts(
        new=number.get("new", 0),
        corrected=number.get("corrected", 0),
        duplicate=number.get("duplicate", 0),
        unknown=lone.unknown,
        unanswered=lone.unanswered,
        early=lone.early,
        stale=lone.stale,
        late=late,
    )
    writer = f"{source}.{new_id()}"
    rows = kept.select(list(label_columns())).sort("about")
    made = [
        segment.write(workspace.store, part, model=log.model, kind="labels", source=writer, sequence=place)
        for place, part in enumerate(segment.pieces(rows, by_hour=False))
    ] if kept.height else []  # fmt: skip
    with workspace.ledger.together():
        states.put(
            STATE, log.model, {"taken": asdict(before + done), "received": received},
            expected=0 if state is None else state.revision,
        )  # fmt: skip
        if made:
            workspace.ledger.segments.add(*made)
    return done


def _frame(rows: Any) -> pl.DataFrame:
    import polars as pl

    if (
        isinstance(rows, Iterable)
        and not isinstance(rows, Mapping | pl.DataFrame | str)
        and not hasattr(rows, "columns")
    ):
        items = list(rows)
        for place, item in enumerate(items):
            if not isinstance(item, Mapping):
                raise InputError(
                    f"Expected a mapping such as {{'id': …, 'label': …}} in row {place}, got {quote(item)}."
                )
        names = {name for item in items for name in item}
        frame = pl.DataFrame(
            {name: pl.Series(name, [item.get(name) for item in items], dtype=pl.Object) for name in names}
        )
    else:
        frame = as_frame(rows)
    if "label" not in frame.columns:
        raise InputError(f"Labels need a column label. {suggestion('label', frame.columns, kind='column')}")
    if not {"id", "entity"} & set(frame.columns):
        raise InputError(
            "Labels need a column id (of the prediction) or entity (and time). "
            f"{suggestion('id', [name for name in frame.columns if name != 'label'], kind='column')}"
        )
    return frame


def _tidy(frame: pl.DataFrame, now: datetime, kind: Kind | None) -> tuple[pl.DataFrame, int]:
    """``id``, ``entity``, ``time``, ``label`` and ``about`` of every row that has a label; and how many have none."""
    import polars as pl

    from mainspring.serve.log.columns import TIME
    from mainspring.serve.log.read import FOREIGN

    columns = {name: frame[name].to_list() if name in frame.columns else [None] * frame.height for name in COLUMNS}
    rows: list[tuple[Any, ...]] = []
    for place in range(frame.height):
        label = columns["label"][place]
        if label is None or label == "" or label != label:  # a NaN
            continue
        identity, entity = _text(columns["id"][place]), _entity(columns["entity"][place])
        if identity is None and entity is None:
            raise InputError(f"Row {place} names no prediction: it has neither an id nor an entity.")
        moment = _moment(columns["time"][place], place) or now
        if identity is None:
            rows.append((None, entity, moment, _label(label, kind, place), moment))
        else:
            made = made_at(identity[:LENGTH])
            about = FOREIGN if made is None else datetime.fromtimestamp(min(made, 4_102_444_800_000) / 1000, UTC)
            rows.append((identity, None, None, _label(label, kind, place), about))
    schema = {"id": pl.String(), "entity": pl.String(), "time": TIME, "label": pl.String(), "about": TIME}
    return pl.DataFrame(rows, schema, orient="row"), frame.height - len(rows)


def _entity(value: Any) -> str | None:
    return entity_text(value) if isinstance(value, float) else _text(value)


def _text(value: Any) -> str | None:
    from mainspring.serve.log.columns import text_of

    return None if value is None or value == "" else text_of(value)


def _moment(value: Any, place: int) -> datetime | None:
    from mainspring.serve.log.columns import LAST_MOMENT, moment_of

    if value is None or value == "":
        return None
    moment = moment_of(value)
    if moment is not None and _is_date(value):  # what was said of a day is said of its predictions too
        moment = datetime.combine(moment, time.max, UTC)
    if moment is not None and not 0 <= moment.timestamp() * 1e6 <= LAST_MOMENT:
        raise InputError(f"Row {place}: expected a time between 1970 and 2100, got {quote(value)}.")
    if moment is None:
        raise InputError(f"Row {place}: expected a time in ISO 8601 such as 2026-01-31T12:00:00Z, got {quote(value)}.")
    return moment


def _is_date(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= len("2026-01-31")
    return isinstance(value, date) and not isinstance(value, datetime)


def _label(value: Any, kind: Kind | None, place: int) -> str:
    """The label as the log keeps it: equal labels are equal texts."""
    from mainspring.serve.log.columns import text_of

    text = text_of(value).strip()
    if kind == "boolean":
        folded = text.casefold()
        if folded in _TRUE | _FALSE:
            return "true" if folded in _TRUE else "false"
        raise InputError(f"Row {place}: expected true or false as a label, got {quote(value)}.")
    if kind not in ("integer", "number"):
        return text
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"Row {place}: expected a number as a label, got {quote(value)}.") from None
    if kind == "number":
        return repr(number)
    if not number.is_integer():
        raise InputError(f"Row {place}: expected a whole number as a label, got {quote(value)}.")
    return str(int(number))


def _masked(tidy: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    import polars as pl

    from mainspring.serve.log.mask import Mask

    return tidy.with_columns(pl.Series("entity", Mask(workspace.root).texts(tidy["entity"].to_list()), pl.String))


def _last_of_each(labels: pl.DataFrame) -> pl.DataFrame:
    """Of several labels of one prediction the last."""
    return labels.unique(["id", "entity", "time"], keep="last", maintain_order=True)


def _judged(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> tuple[pl.DataFrame, pl.Series]:
    """Of the *labels* those that are to be kept, `standing.placed`; and what each of them all is.

    Kept is what does not only say again what was said of the same id, or of the same entity and time. It is new,
    duplicate or corrected against all those before it about the same prediction, here and in the log.
    """
    import polars as pl

    from mainspring.serve import standing

    again = _verdicts(labels, standing.said_before(log, labels)) == "duplicate"
    fresh = labels.filter(~again)
    repeated = pl.repeat("duplicate", labels.height - fresh.height, dtype=pl.String, eager=True)
    if fresh.is_empty():
        none = pl.lit(None, pl.String)
        return fresh.with_columns(none.alias("its"), none.alias("verdict")), repeated
    fresh = standing.placed(log, fresh, tolerance=tolerance)
    about = standing.about_the_same(log, fresh, tolerance=tolerance)
    verdict = _verdicts(standing.same_key(fresh), about)
    return fresh.with_columns(verdict.alias("verdict")), pl.concat([verdict, repeated])


def _verdicts(labels: pl.DataFrame, old: pl.DataFrame) -> pl.Series:
    """Of each of the *labels*, in their order: what it is against those before it, the *old* ones first."""
    import polars as pl

    key = ["id", "entity", "time"]
    both = pl.concat([
        old.select(*key, "label", pl.lit(-1, pl.Int64).alias("place")),
        labels.with_row_index("place").select(*key, "label", pl.col("place").cast(pl.Int64)),
    ])  # fmt: skip
    before = pl.col("label").shift(1).over(key)
    verdict = (
        pl.when(before.is_null()).then(pl.lit("new"))
        .when(before == pl.col("label")).then(pl.lit("duplicate")).otherwise(pl.lit("corrected"))
    )  # fmt: skip
    return both.with_columns(verdict.alias("verdict")).filter(pl.col("place") >= 0).sort("place")["verdict"]
