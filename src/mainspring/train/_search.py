"""The search for the best model of a table."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.contract.metric import METRICS, primary
from mainspring.core.digest import SHORT, digest_bytes, digest_text
from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.core.frames import as_frame
from mainspring.core.progress import progress
from mainspring.core.recording import recorder
from mainspring.core.scratch import scratch
from mainspring.features.encoder import Encoder, require
from mainspring.features.moment import MomentCodec
from mainspring.train import interval, threads, threshold
from mainspring.train._fit import features_of, fit_encoded
from mainspring.train.bench import Bench, Trial
from mainspring.train.frameworks import KINDS, Shape, framework
from mainspring.train.pace import Pace, rows_to_search
from mainspring.train.resample import Resampling, natural
from mainspring.train.studies import Studies
from mainspring.train.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.recording import Recorder
    from mainspring.train.model import Model
    from mainspring.train.resample import Pair

OPENING = ("baseline", "lightgbm", "linear", "hist_gradient_boosting", "forest")
"""The order in which the kinds have their first turn."""
REACH = 1.0
"""A kind stays in play while its best trial is within so many fold deviations of the best of all."""
RESERVED_SHARE = 0.35
"""At most so much of the time is kept for the last fit."""
REFIT_SHARE = 0.7
"""The last fit may take so much of the time, even if it then runs over; beyond that it learns from fewer rows."""
FIT_SHARE = 0.7
"""So much of what a fold takes is spent on the rounds that are kept."""
GROWTH = {"linear": 1.5}
"""The time of a fit grows with the rows to this power (default 1): classes take more iterations on a longer table."""
ABSOLUTE = {"mae", "mape", "median_absolute_error"}
"""Metrics that the median serves better than the mean."""
MARGIN = 1.5
"""A trial is given up when it lags the best on the same folds by so many standard errors."""


def search(
    frame: pl.DataFrame,
    contract: Contract,
    *,
    trials: int = 30,
    seconds: float | None = None,
    metric: str | None = None,
    resample: str | Resampling | None = None,
    seed: int = 0,
    candidates: Sequence[str] | None = None,
    journal: str | Path | None = None,
) -> Model:
    """Find the best model for the contract's target and fit it on every row of *frame*.

    A trivial baseline, then linear, random forest, histogram gradient boosting and LightGBM models (or *candidates*)
    are judged on the same folds by *metric* (default: the task's primary one). All that is learned (encoding,
    imputing, scaling, selection) is learned inside the folds. *resample* is a name or a Resampling; by default rows
    are resampled in time order where the contract names a time, by whole groups where its entities recur, else at
    random (stratified for classes). It stops after *trials*, or when *seconds* are nearly over: large tables are then
    searched on fewer rows. With a *journal* file (or a scratch folder in force, see ``core.scratch``), an interrupted
    search goes on where it stopped.

    Each trial is a child run of the recorder in force, which itself gets the best mean and its interval as
    ``search.METRIC``. ``meta["search"]`` of the model has every trial, the mean of the best with its interval, and the
    baseline's. That mean is of the best of many trials, so it flatters a little: judge the model on rows the search has
    not seen. Without *seconds*, equal arguments give equal models on machines with as many cores (trials are given up
    after as many folds as are fitted side by side).

    Raises InputError for a table, target, metric or journal that cannot be used.
    """
    pace = Pace(seconds)
    metric = _metric(metric, contract)
    if trials < 1 or (seconds is not None and seconds <= 0):
        raise InputError(f"A search needs at least 1 trial and some time, got {trials} trials and {seconds} seconds.")
    target = Target.of(as_frame(frame), contract)
    features = features_of(target.frame, contract)
    require(features, target.frame.columns)
    plan = _plan(resample, target, contract)
    kinds = _kinds(candidates)
    sample = _sample(target, contract, features, plan, seconds=seconds, seed=seed)
    pairs = _pairs(plan, sample, contract, seed=seed)
    facts = {"skewed": _skewed(target, contract), "absolute": metric in ABSOLUTE}
    bench = Bench(sample, contract, features, pairs, metric=metric, workers=threads.available(), **facts)
    fingerprint = _fingerprint(sample, features, metric, plan, seed)
    file, kept = _journal(journal, fingerprint)
    opened = partial(Studies, kinds, bench.folds[0].shape, fingerprint=fingerprint, seed=seed)
    try:
        studies = opened(journal=file)
    except Refused:
        if kept:
            raise
        studies, file = opened(journal=None), None  # the same search runs beside this one: each for itself
    with closing(studies):
        done = _try_all(bench, studies, kinds, pace, trials=trials, seed=seed, rows=len(target.y))
    model = _conclude(done, bench, target, contract, features, plan, pace, seed=seed)
    if file is not None and not kept:
        file.unlink(missing_ok=True)
    return model


def _journal(journal: str | Path | None, fingerprint: str) -> tuple[Path | None, bool]:
    """The journal's file, if any, and whether it outlives a finished search: only if it was asked for."""
    if journal is not None:
        return Path(journal), True
    folder = scratch()
    return (None if folder is None else folder / f"search-{fingerprint[:SHORT]}.journal"), False


def _metric(metric: str | None, contract: Contract) -> str:
    task = contract.project.task
    fitting = [name for name, each in METRICS.items() if each.kind == "quality" and task in each.tasks]
    if metric is None:
        return primary(task)
    if metric not in fitting:
        raise NotFound.among(f"metric of a {task} task", metric, fitting)
    if metric == "expected_cost" and not contract.cost:
        raise InputError("The metric expected_cost needs a cost matrix. Declare [[cost]] in mainspring.toml.")
    return metric


def _kinds(candidates: Sequence[str] | None) -> tuple[str, ...]:
    for kind in candidates or ():
        framework(kind)
    wanted = {"baseline", *(KINDS if candidates is None else candidates)}
    return tuple(kind for kind in OPENING if kind in wanted)


def _plan(resample: str | Resampling | None, target: Target, contract: Contract) -> Resampling:
    if isinstance(resample, Resampling):
        return resample
    if resample is not None:
        return Resampling(kind=resample)  # type: ignore[arg-type]  # an unknown name is refused there, with the nearest
    return natural(contract, target.frame, contract.project.task)


def _sample(
    target: Target, contract: Contract, features: Sequence[str], plan: Resampling, *, seconds: float | None, seed: int
) -> Target:
    """The rows that are searched: all, or a random part in the same order where there are too many for the time."""
    encoder = Encoder.fit(target.frame.head(20_000), features, contract.columns)
    batches = -(-plan.folds * plan.repeats // threads.available())

    def guess(rows: int) -> float:
        shape = Shape.of(encoder, contract.project.task, rows, len(target.classes or ()))
        return batches * framework("lightgbm").seconds(shape, {})

    rows = rows_to_search(len(target.y), guess, seconds=seconds)
    if rows >= len(target.y):
        return target
    chosen = np.sort(np.random.default_rng(seed).choice(len(target.y), rows, replace=False))
    return replace(target, frame=target.frame[chosen], y=target.y[chosen])


def _pairs(plan: Resampling, target: Target, contract: Contract, *, seed: int) -> list[Pair]:
    project = contract.project
    groups = order = None
    if plan.kind == "grouped" and project.entity is not None:
        require([project.entity], target.frame.columns)
        groups = target.frame[project.entity].to_numpy()
    if plan.kind in {"expanding", "sliding"} and project.time is not None:
        require([project.time], target.frame.columns)
        order = moments(target.frame[project.time])
    return plan.pairs(target.y, groups=groups, order=order, seed=seed)


def moments(series: pl.Series) -> np.ndarray[Any, Any]:
    """The rank of each moment of a time column, shape (rows,); null comes first, texts are read as ISO 8601."""
    import polars as pl

    if series.dtype == pl.String:
        numbers = series.cast(pl.Float64, strict=False)
        if numbers.null_count() > series.null_count():
            codec = MomentCodec(series.name, ("days",))
            codec.check(series)
            numbers = series.to_frame().select(codec.wall(series.dtype)).to_series()
        series = numbers
    return series.rank("dense").fill_null(0).to_numpy()


def _skewed(target: Target, contract: Contract) -> bool:
    if contract.project.task != "regression" or target.y.min() < 0:
        return False
    spread = target.y.std()
    return bool(spread > 0 and ((target.y - target.y.mean()) ** 3).mean() / spread**3 > 1.0)


def _fingerprint(target: Target, features: Sequence[str], metric: str, plan: Resampling, seed: int) -> str:
    """The same for the same search of the same rows."""
    columns = target.frame.select(features)
    rows = digest_bytes(columns.hash_rows().to_numpy().tobytes() + target.y.tobytes())
    facts = [
        rows,
        [f"{name} {dtype}" for name, dtype in columns.schema.items()],
        metric,
        repr(plan),
        seed,
        version("mainspring"),
    ]
    return digest_text(json.dumps(facts))


def _try_all(
    bench: Bench, studies: Studies, kinds: Sequence[str], pace: Pace, *, trials: int, seed: int, rows: int
) -> list[Trial]:
    done = studies.done()
    run = recorder()
    opening = _opening(kinds, bench.folds[0].shape, done)
    while len(done) < trials:
        kind = opening.pop(0) if opening else _turn(done, bench, kinds, len(done))
        # what lags even the baseline was learned too: a table without a signal must not take all day
        learned_something = any(trial.outcome in {"finished", "pruned"} and trial.kind != "baseline" for trial in done)
        if learned_something and not pace.allows(kind, bench.guess(kind, {})):
            if opening:
                continue
            break
        best = _best(done, bench)
        asked, params = studies.ask(kind)
        late = pace.late if learned_something else lambda: False
        cap = pace.cap(bench.batches)
        child = run.child(f"trial {len(done) + 1}: {kind}")
        try:
            trial = bench.run(kind, params, seed=seed, hopeless=_lags(bench, best), late=late, cap=cap)
        except BaseException:
            child.finish("killed")
            raise
        studies.tell(asked, trial, loss=_loss(bench, trial.mean))
        done.append(trial)
        _record(child, trial, bench.metric)
        if trial.outcome == "finished":
            pace.note(kind, trial.seconds, bench.guess(kind, params))
        if _best(done, bench) is trial:
            _forget(best)
            pace.reserve = min(_refit_seconds(trial, bench, rows), (pace.seconds or 0.0) * RESERVED_SHARE)
        else:
            _forget(trial)
        _show(done, bench, pace, trials)
    return done


def _opening(kinds: Sequence[str], shape: Shape, done: Sequence[Trial]) -> list[str]:
    """Each kind once, then the other good starts of LightGBM; less what was done before an interruption."""
    wanted = [kind for kind in OPENING if kind in kinds]
    wanted += [kind for kind in reversed(OPENING) for _ in framework(kind).starts(shape)[1:] if kind in kinds]
    had = Counter(trial.kind for trial in done)
    opening = []
    for kind in wanted:
        if had[kind]:
            had[kind] -= 1
        else:
            opening.append(kind)
    return opening


def _turn(done: Sequence[Trial], bench: Bench, kinds: Sequence[str], number: int) -> str:
    """Whose turn it is: the leading kind, and each fourth time another that is not far behind."""
    best = _best(done, bench)
    if best is None or best.kind == "baseline":
        others = [kind for kind in kinds if kind != "baseline"] or ["baseline"]
        return others[number % len(others)]
    if number % 4 == 0:
        spread = float(np.nanstd(best.scores)) * REACH
        near = {
            trial.kind: None
            for trial in done
            if trial.kind not in {"baseline", best.kind}
            and trial.outcome == "finished"
            and abs(_loss(bench, trial.mean) - _loss(bench, best.mean)) <= spread
        }
        if near:
            return list(near)[number // 4 % len(near)]
    return best.kind


def _best(done: Sequence[Trial], bench: Bench) -> Trial | None:
    best: Trial | None = None
    for trial in done:
        if trial.outcome == "finished" and (best is None or bench.better(trial.mean, best.mean)):
            best = trial
    return best


def _loss(bench: Bench, score: float) -> float:
    """The score, turned so that less is better."""
    return abs(score) if bench.metric == "mean_error" else -score if bench.higher else score


def _lags(bench: Bench, best: Trial | None) -> Any:
    """Whether scores lag the best trial's on the same folds by more than the folds' noise.

    The folds are paired: what makes a fold easy or hard cancels out, so two folds often tell.
    """
    if best is None:
        return lambda _: False

    def lags(scores: list[float]) -> bool:
        ahead = np.array(
            [
                _loss(bench, other) - _loss(bench, score)
                for score, other in zip(scores, best.scores, strict=False)
                if not (math.isnan(score) or math.isnan(other))
            ]
        )
        if not len(ahead):
            return False
        noise = max(float(ahead.std(ddof=1)) if len(ahead) > 1 else 0.0, 0.1 * float(np.nanstd(best.scores)))
        return bool(ahead.mean() + MARGIN * noise / math.sqrt(len(ahead)) < 0)

    return lags


def _forget(trial: Trial | None) -> None:
    """Drop the answers of a trial that is not the best: they are as long as the table."""
    if trial is not None:
        trial.answers = []


def _refit_seconds(trial: Trial, bench: Bench, rows: int) -> float:
    """What fitting *trial* once on *rows* will take, judged by its folds, which also followed and answered."""
    one_fold = trial.seconds * min(bench.workers, len(bench.folds)) / len(bench.folds)
    return FIT_SHARE * one_fold * math.pow(rows / bench.learned, _growth(trial, bench))


def _growth(trial: Trial, bench: Bench) -> float:
    return 1.0 if bench.classes is None else GROWTH.get(trial.kind, 1.0)


def _record(run: Recorder, trial: Trial, metric: str) -> None:
    run.log_params({"kind": trial.kind, **trial.params})
    for fold, score in enumerate(trial.scores):
        if not math.isnan(score):
            run.log_metric(f"{metric}_fold", score, step=fold)
    if not math.isnan(trial.mean):
        run.log_metric(metric, trial.mean)
    run.log_metric("seconds", trial.seconds)
    if trial.why:
        run.log_tags({"why": trial.why})
    run.finish({"finished": "finished", "failed": "failed"}.get(trial.outcome, "pruned"))


def _show(done: Sequence[Trial], bench: Bench, pace: Pace, trials: int) -> None:
    best = _best(done, bench)
    share = len(done) / trials
    if pace.seconds is not None:
        share = max(share, min(1.0, pace.elapsed / pace.seconds))
    text = f"trial {len(done)}: {done[-1].kind} {done[-1].outcome}"
    if best is not None:
        text += f"; best so far {best.kind}, {bench.metric} {best.mean:.5g}"
    progress("search", share, 1.0, text)


def _conclude(
    done: list[Trial],
    bench: Bench,
    target: Target,
    contract: Contract,
    features: Sequence[str],
    plan: Resampling,
    pace: Pace,
    *,
    seed: int,
) -> Model:
    best = _best(done, bench)
    if best is None:
        reasons = sorted({trial.why or "its score is not a number" for trial in done})
        raise InputError(f"No trial of the search could be judged by {bench.metric}: {'; '.join(reasons)}.")
    if not best.answers:  # it was done before an interruption
        best.answers = bench.run(best.kind, best.params, seed=seed).answers
    line, crossed = _line(best, bench, contract)
    learned, note = _rows_to_fit(best, bench, target, pace, seed=seed)
    encoder = Encoder.fit(learned.frame, features, contract.columns)
    model = fit_encoded(learned, encoder, contract, kind=best.kind, params=best.params, seed=seed)
    scores = best.scores if crossed is None else crossed
    estimate = interval.corrected(
        scores, learned=bench.learned, judged=bench.judged, within=interval.range_of(bench.metric)
    )
    model.meta["notes"] += note
    model.meta["seconds"] = pace.elapsed
    model.meta["search"] = {
        "metric": bench.metric,
        "resample": plan.text,
        "rows": bench.rows,
        "mean": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "interval": "95 %, corrected resampled t (Nadeau & Bengio 2003) over the folds of the best trial",
        "pooled": bench.pooled(best, threshold=line),
        "baseline": next((trial.mean for trial in done if trial.kind == "baseline"), None),
        "best": done.index(best) + 1,
        "trials": [_row(number, trial) for number, trial in enumerate(done, 1)],
        "seconds": pace.elapsed,
    }
    for name, value in {"": estimate.value, ".low": estimate.low, ".high": estimate.high}.items():
        if value is not None:
            recorder().log_metric(f"search.{bench.metric}{name}", value)
    progress("search", 1.0, 1.0, f"{best.kind}: {bench.metric} {estimate.value:.5g}")
    return replace(model, threshold=line)


def _line(best: Trial, bench: Bench, contract: Contract) -> tuple[float | None, list[float] | None]:
    """The threshold for the positive class from the out-of-fold answers, and the fold scores it honestly gives."""
    if bench.classes is None or len(bench.classes) != 2:
        return None, None
    truth = np.concatenate([fold.truth for fold in bench.folds])
    line = threshold.pick(bench.metric, truth, np.concatenate(best.answers), contract, bench.classes)
    if line is None:
        return None, None
    folds = [(fold.truth, answer) for fold, answer in zip(bench.folds, best.answers, strict=True)]
    return line, threshold.crossed(bench.metric, folds, contract, bench.classes)


def _rows_to_fit(best: Trial, bench: Bench, target: Target, pace: Pace, *, seed: int) -> tuple[Target, list[str]]:
    """All rows, or a random part where all would take far more time than there is."""
    searched = bench.rows
    if pace.seconds is None or len(target.y) <= searched:
        return target, []
    share = pace.seconds * REFIT_SHARE / max(_refit_seconds(best, bench, len(target.y)), 1e-9)
    if share >= 1:
        return target, [f"searched on {searched:,} of {len(target.y):,} rows, fitted on all"]
    rows = max(searched, int(len(target.y) * math.pow(share, 1 / _growth(best, bench))))
    chosen = np.sort(np.random.default_rng(seed).choice(len(target.y), rows, replace=False))
    part = replace(target, frame=target.frame[chosen], y=target.y[chosen])
    note = f"searched on {searched:,} and fitted on {rows:,} of {len(target.y):,} rows: all would take too long"
    return part, [note]


def _row(number: int, trial: Trial) -> dict[str, Any]:
    return {
        "number": number,
        "kind": trial.kind,
        "params": trial.params,
        "outcome": trial.outcome,
        "mean": None if math.isnan(trial.mean) else trial.mean,
        "scores": [None if math.isnan(score) else score for score in trial.scores],
        "seconds": trial.seconds,
        "why": trial.why,
    }
