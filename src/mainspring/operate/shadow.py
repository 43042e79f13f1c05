"""Versions that only listen: they are asked what the champion is asked, and nobody waits for their answers.

What they said is in the prediction log beside the answers, under the same ids. So both can be held against the same
requirements on the same rows, before the version gets any traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, Refused
from mainspring.operate.rollout import running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mainspring.contract import Contract, Verdict
    from mainspring.ledger.ports.endpoints import Traffic
    from mainspring.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a version that listens ``since`` then said, beside what was answered to the same ``rows``.

    ``alike``: the share of them with the same prediction, None of no rows. ``labelled``: of so many the truth is known.
    ``verdicts``: the contract's requirements on what it said, ``answered`` on the answers, in the same order. Service
    requirements are in neither: nobody waits for a version that listens.
    """

    version: int
    since: datetime
    rows: int = 0
    alike: float | None = None
    labelled: int = 0
    verdicts: tuple[Verdict, ...] = ()
    answered: tuple[Verdict, ...] = ()


def listen(workspace: Workspace, model: str, versions: Sequence[int], *, reason: str = "") -> Traffic:
    """Let these *versions* listen, and no others; none ends it. Who answers stays as it is.

    Raises NotFound for a model or a version that is not there, InputError for the champion, and Refused while a
    rollout runs, which would take the new rule for somebody's change of the traffic, and end.
    """
    ledger = workspace.ledger
    with ledger.together():
        ledger.models.versions(model)  # raises for a name that is not there
        live = ledger.endpoints.live(model)
        if live.champion in versions:
            raise InputError(f"{model}/{live.champion} is the champion: it answers, so it does not listen.")
        rollout = running(ledger.states, model)
        if rollout is not None:
            raise Refused(
                f"A rollout of {model}/{rollout.version} is running; the traffic stays as it is until that is over. "
                f"Wait, or stop it: mainspring rollout {model} --abort"
            )
        rule = live.traffic
        return ledger.endpoints.set(
            model, shadow=tuple(dict.fromkeys(versions)), canary=rule.canary if rule else None,
            percent=rule.percent if rule else 0.0, reason=reason,
        )  # fmt: skip


def heard(workspace: Workspace, contract: Contract, model: str) -> tuple[Heard, ...]:
    """What every version that listens said since it began to. Raises StoreError where the log cannot be read."""
    rule = workspace.ledger.endpoints.get(model)
    if rule is None:
        return ()
    history = workspace.ledger.endpoints.history(model)
    return tuple(_heard(workspace, contract, model, version, _since(history, version)) for version in rule.shadow)


def _since(history: Sequence[Traffic], version: int) -> datetime:
    """Since when the version has been in every rule."""
    begun = history[-1]
    for rule in reversed(history):
        if version not in rule.shadow:
            break
        begun = rule
    return begun.updated


def _heard(workspace: Workspace, contract: Contract, model: str, version: int, since: datetime) -> Heard:
    import polars as pl

    from mainspring.evaluate.requirements import verdicts
    from mainspring.operate.rollout.canary import OWN, ROWS, features, predictions
    from mainspring.serve.log.read import ANSWERED, PredictionLog

    log = PredictionLog(workspace, model)
    good = pl.col("status") < 400
    listened = (pl.col("role") == "shadow") & (pl.col("version") == version) & good
    mine = log.scan(since=since).filter(listened).collect(engine="streaming").sort("time").tail(ROWS).unique("id")
    ids = mine.select("id").lazy()
    theirs = log.scan(since=since, roles=ANSWERED).filter(good & OWN).join(ids, on="id", how="semi")
    answers = theirs.collect(engine="streaming").unique("id").sort("id")
    mine = mine.join(answers.select("id"), on="id", how="semi").sort("id")
    if mine.is_empty():
        return Heard(version=version, since=since)
    known = log.labelled(since=since, columns=["id"], roles=ANSWERED).join(ids, on="id", how="semi")
    truth = known.select("id", "label").collect(engine="streaming").unique("id")
    labels = mine.select("id").join(truth, on="id", how="left", maintain_order="left")["label"]
    values, said, answered = features(mine), predictions(mine), predictions(answers)
    return Heard(
        version=version,
        since=since,
        rows=mine.height,
        alike=float((mine["prediction"] == answers["prediction"]).mean()),  # type: ignore[arg-type]
        labelled=labels.len() - labels.null_count(),
        verdicts=verdicts(contract, labels, said, values, stage="canary", champion=answered),
        answered=verdicts(contract, labels, answered, values, stage="canary"),
    )
