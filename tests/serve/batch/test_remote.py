"""Scoring through an endpoint: the same answers, whatever the connection does."""

from __future__ import annotations

import time
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.serve.batch.caller import Caller, Unreachable, retry_after
from mainspring.serve.batch.job import run
from mainspring.serve.batch.remote import RemoteScoring
from mainspring.serve.batch.source import open_source
from mainspring.serve.served import Served
from mainspring.serve.traffic import Deployment
from tests.serve.batch.conftest import names, spoilt, table, together
from tests.serve.batch.endpoint import DROP, Bad, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.package import Bundle
    from mainspring.serve.batch.local import LocalScoring
    from mainspring.serve.batch.scored import Scored

ROWS = 700
TOKEN = "mine"  # noqa: S105


@contextmanager
def through(bad: Bad, *, token: str | None = None, patience: float = 20.0, **how: Any) -> Iterator[RemoteScoring]:
    caller = Caller(bad.url, token=token, patience=patience, timeout=5.0)
    try:
        scoring = RemoteScoring(caller, name="demo", **{"request_rows": 100, "concurrency": 4, **how})
    except BaseException:
        caller.close()
        raise
    try:
        yield scoring
    finally:
        scoring.close()


def same(found: Scored, rows: pl.DataFrame, scoring: LocalScoring) -> None:
    """As the bundle in this process says, but that a rejected row is told by what rejects it alone."""
    said = scoring.score(rows)
    assert found.columns.columns == ["prediction", "probability", "prediction_id", "model_version", "flags"]
    assert found.columns["prediction"].to_list() == said.columns["prediction"].to_list()
    assert found.columns["probability"].to_list() == pytest.approx(said.columns["probability"].to_list(), abs=1e-6)
    assert (found.rejected, found.flagged) == (said.rejected, said.flagged)
    for ours, theirs in zip(found.columns["flags"], said.columns["flags"], strict=True):
        assert ours == ("rejected,minimum:age" if theirs is not None and "rejected" in theirs else theirs)
    ids = found.columns["prediction_id"].drop_nulls()
    assert ids.n_unique() == len(ids) == len(rows) - said.rejected


def test_the_answers_are_those_of_the_bundle(bundle: Bundle, scoring: LocalScoring) -> None:
    rows = spoilt(ROWS)
    with endpoint(bundle) as (bad, _), through(bad) as remote:
        bad.after = lambda _: time.sleep(0.02)
        found = remote.score(rows, place="here")
        same(found, rows, scoring)
        assert found.versions == (1,)
        assert 1 < bad.most_at_once <= 4
        assert {name for _, name, _ in bad.requests} == {f"here-{start}" for start in range(0, ROWS, 100)}
        assert remote.identity == {"model": "demo", "version": 1, "through": "an endpoint"}


def test_what_fails_for_a_while_is_asked_again(bundle: Bundle, scoring: LocalScoring) -> None:
    rows = table(ROWS)
    faults = {
        1: (DROP, {}),
        2: (503, {"retry-after": "0"}),
        4: (429, {}),
        5: (502, {"retry-after": "soon"}),
        7: (504, {}),
    }
    with endpoint(bundle) as (bad, _), through(bad) as remote:
        bad.fault = faults.get
        same(remote.score(rows, place="here"), rows, scoring)
        assert len(bad.requests) == ROWS // 100 + len(faults)


@pytest.mark.parametrize("by_date", [False, True])
def test_nobody_asks_before_the_endpoint_says_so(bundle: Bundle, scoring: LocalScoring, by_date: bool) -> None:
    rows = table(ROWS)
    with endpoint(bundle) as (bad, _), through(bad, concurrency=2) as remote:
        until = formatdate(time.time() + 2, usegmt=True) if by_date else "1"
        bad.fault = lambda number: (429, {"retry-after": until}) if number == 3 else None
        same(remote.score(rows, place="here"), rows, scoring)
        times = [moment for moment, _, _ in bad.requests]
        asked = times[2]
        assert len([moment for moment in times if asked < moment < asked + 0.9]) <= 1  # one was on its way already
        assert len(times) == 8


def test_patience_ends(bundle: Bundle) -> None:
    rows = table(10)
    with endpoint(bundle) as (bad, _), through(bad, patience=0.5) as remote:
        bad.fault = lambda _: (503, {})
        with pytest.raises(Unreachable, match=r"did not answer in \d s \(\d tries\): Not now\."):
            remote.score(rows, place="here")
        bad.fault = lambda _: (429, {"retry-after": "3600"})
        begun = time.monotonic()
        with pytest.raises(Unreachable, match=r"\(1 try\)"):
            remote.score(rows, place="here")
        assert time.monotonic() - begun < 2


def test_nobody_there() -> None:
    caller = Caller("http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"did not answer in 0 s .*refused.*Is it running"):
        caller.get("/openapi.json", patience=0.1)
    caller.close()


def test_requests_that_are_too_large_are_halved(bundle: Bundle, scoring: LocalScoring) -> None:
    rows = table(ROWS)
    with endpoint(bundle, most_rows=30) as (bad, served), through(bad, request_rows=5_000) as remote:
        assert remote.described.most_rows == 30
        same(remote.score(rows, place="here"), rows, scoring)
        assert max(len(sent) for _, _, sent in bad.requests) == 30
        served.limits = type(served.limits)(rows=9)
        bad.requests.clear()
        same(remote.score(rows, place="there"), rows, scoring)
        assert sum(len(sent) for _, _, sent in bad.requests if len(sent) <= 9) == ROWS


def test_only_what_the_model_takes_is_sent(bundle: Bundle) -> None:
    rows = table(5).with_columns(secret=pl.lit("mine"), tags=pl.Series([[1]] * 5))
    with endpoint(bundle) as (bad, _), through(bad) as remote:
        remote.score(rows, place="here")
        assert [list(row) for _, _, sent in bad.requests for row in sent] == [["age", "town", "height"]] * 5
        with pytest.raises(InputError, match="'age' holds List"):
            remote.score(rows.with_columns(age=pl.Series([[1]] * 5)), place="here")
        with pytest.raises(InputError, match="'age' is needed and missing"):
            remote.score(rows.drop("age"), place="here")


def test_infinity_is_rejected_and_not_sent_as_missing(bundle: Bundle) -> None:
    rows = table(6).with_columns(age=pl.Series([20.0, float("inf"), float("nan"), None, 30.0, -float("inf")]))
    with endpoint(bundle) as (bad, _), through(bad) as remote:
        found = remote.score(rows, place="here").columns
        assert found["flags"].to_list() == [None, "rejected,finite:age", None, None, None, "rejected,finite:age"]
        assert found["prediction"].is_null().to_list() == [False, True, False, False, False, True]
        every = remote.score(rows.with_columns(age=30.0), place="here")
        assert every.columns.schema == remote.score(rows.with_columns(age=-1.0), place="here").columns.schema


def test_a_batch_is_of_one_version_unless_any_will_do(bundle: Bundle, other_bundle: Bundle) -> None:
    rows = table(ROWS)
    second = Deployment(2, Served(other_bundle, name="demo", version=2))
    with endpoint(bundle) as (bad, served), through(bad, concurrency=1) as remote:
        bad.after = lambda number: served.deploy(second) if number == 3 else None
        with pytest.raises(Refused, match=r"answers with version 2 of demo, and began with 1.*--any-version"):
            remote.score(rows, place="here")
    with endpoint(bundle) as (bad, served), through(bad, concurrency=1, any_version=True) as remote:
        bad.after = lambda number: served.deploy(second) if number == 3 else None
        found = remote.score(rows, place="here")
        assert found.versions == (1, 2)
        assert found.columns["model_version"].to_list() == [1] * 300 + [2] * 400


def test_who_answers_is_asked_first(bundle: Bundle) -> None:
    with endpoint(bundle, version=4) as (bad, _):
        with pytest.raises(Refused, match="serves version 4 of demo, not 3"), through(bad, version=3):
            pass
        caller = Caller(bad.url)
        with pytest.raises(NotFound, match="serves 'demo', not 'churn'"):
            RemoteScoring(caller, name="churn")
        caller.close()
        bad.token = TOKEN
        with pytest.raises(Refused, match=r"refuses \(401\): A token is needed\."), through(bad):
            pass
        with through(bad, token=TOKEN) as remote:
            assert remote.score(table(3), place="here").rejected == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8000", "is no address of an endpoint"),
        ("ftp://x", "is no address of an endpoint"),
        ("http://", "is no address of an endpoint"),
        ("http://me:secret@x", "may hold no password"),
    ],
)
def test_addresses_that_are_none(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as wrong:
        Caller(url)
    assert "secret" not in str(wrong.value)


def test_when_to_come_back() -> None:
    assert retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert [retry_after(text) for text in (None, "", "-1", "1.5", "x" * 99)] == [None] * 5


def test_a_batch_goes_on_where_the_endpoint_went_away(
    bundle: Bundle, other_bundle: Bundle, scoring: LocalScoring, tmp_path: Path
) -> None:
    rows = spoilt(ROWS)
    rows.write_parquet(tmp_path / "rows.parquet")
    out = tmp_path / "out"
    source = open_source(str(tmp_path / "rows.parquet"))
    with endpoint(bundle) as (bad, _), through(bad, patience=0.3) as remote:
        bad.fault = lambda number: (503, {}) if number > 5 else None
        with pytest.raises(Unreachable):
            run(source, remote, out, partition_rows=100)
    finished = len(names(out)) - 1
    assert finished >= 1
    with (
        endpoint(other_bundle, version=2) as (bad, _),
        through(bad) as remote,
        pytest.raises(Refused, match="was begun with demo/1 through an endpoint; this is demo/2 through an endpoint"),
    ):
        run(source, remote, out)
    with pytest.raises(Refused, match=r"demo/1 through an endpoint; this is demo/1 \(bundle"):
        run(source, scoring, out)
    with endpoint(bundle) as (bad, _), through(bad) as remote:
        found = run(source, remote, out)
        assert (found.reused, found.partitions, found.versions) == (finished, 7, (1,))
    whole = together(out)
    assert whole["row"].to_list() == list(range(ROWS))
    assert whole["prediction_id"].drop_nulls().n_unique() == ROWS - found.rejected
    assert whole["prediction"].to_list() == scoring.score(rows).columns["prediction"].to_list()
