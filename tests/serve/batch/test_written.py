"""What a file calls a text keeps its characters on its way through a model, here and through an endpoint."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import pytest

from mainspring import package
from mainspring.contract import Column, Contract, ProjectSection
from mainspring.core.errors import Refused
from mainspring.data import read
from mainspring.serve.batch import checkpoint
from mainspring.serve.batch.caller import Caller
from mainspring.serve.batch.job import run
from mainspring.serve.batch.local import LocalScoring
from mainspring.serve.batch.remote import RemoteScoring
from mainspring.serve.batch.source import open_source
from mainspring.train import fit
from tests.serve.batch.conftest import together
from tests.serve.batch.endpoint import endpoint

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.package import Bundle
    from mainspring.serve.batch.scored import Scoring

IDS = ("1.10", "1.1", "007", "1e5", "+5", "5", "5.0", "nan", "inf", "2026-01-31", "NA")
CODES = ("1.50", "1.5", "3", "3", "3", "3", "3", "NA", "3", "3", "3")
COLUMNS = (
    Column(name="customer", type="text"),
    Column(name="age", type="integer"),
    Column(name="rows", type="integer"),  # a request of such a row is not a list of rows
    Column(name="code", type="text"),
    Column(name="size", type="category", categories=("1.10", "1.1", "2")),
    Column(name="gone", type="boolean"),
)


def known(rows: int) -> pl.DataFrame:
    row = pl.int_range(rows)
    return pl.select(
        customer=row.cast(pl.String),
        age=(row * 37) % 60,
        rows=(row * 17) % 60,
        code=pl.when(row % 3 == 0).then(pl.lit("1.50")).when(row % 3 == 1).then(pl.lit("1.5")),
        size=pl.when(row % 2 == 0).then(pl.lit("1.10")).otherwise(pl.lit("1.1")),
        gone=row % 2 == 0,
    )


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    contract = Contract(
        project=ProjectSection(name="demo", task="binary", target="gone", entity="customer"),
        columns={each.name: each for each in COLUMNS},
    )
    return package.build(fit(known(300), contract, kind="linear"), contract=contract, holdout=known(50))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = [
        f"{one},{30 + place},{place},{code},{'1.10' if place % 2 else '1.1'},0{place}.50"
        for place, (one, code) in enumerate(zip(IDS, CODES, strict=True))
    ]
    path = tmp_path / "new.csv"
    path.write_text("\n".join(["customer,age,rows,code,size,till", *lines]) + "\n")
    return path


def kept(file: Path, scoring: Scoring, folder: Path) -> pl.DataFrame:
    """The batch in two goes: the second finds its first part."""
    for _ in range(2):
        run(open_source(str(file), written=scoring.written), scoring, folder, partition_rows=4)
        (folder / "part-00000-00001.parquet").unlink(missing_ok=True)
    run(open_source(str(file), written=scoring.written), scoring, folder, partition_rows=4)
    return together(folder)


def assert_kept(found: pl.DataFrame, file: Path) -> None:
    texts = ["customer", "code", "size", "till"]
    assert found.select(texts).equals(pl.read_csv(io.BytesIO(file.read_bytes()), infer_schema=False).select(texts))
    assert found["age"].dtype == pl.Int64
    said = found["prediction"].to_list()
    assert None not in said
    assert said[:4] == [False, True, False, True]  # by size alone: 1.10 is another than 1.1


def test_a_folder_of_parts(bundle: Bundle, file: Path, tmp_path: Path) -> None:
    assert_kept(kept(file, LocalScoring(bundle, name="demo"), tmp_path / "out"), file)


def test_a_folder_that_an_earlier_version_began_is_not_gone_on_with(bundle: Bundle, file: Path, tmp_path: Path) -> None:
    scoring, folder = LocalScoring(bundle, name="demo"), tmp_path / "out"
    run(open_source(str(file)), scoring, folder, partition_rows=4)
    begun = checkpoint.load(folder)
    assert begun is not None
    msgspec.structs.replace(begun, format=1).save(folder)
    with pytest.raises(Refused, match="earlier version"):
        run(open_source(str(file), written=scoring.written), scoring, folder, partition_rows=4)


def test_through_an_endpoint(bundle: Bundle, file: Path, tmp_path: Path) -> None:
    with endpoint(bundle) as (bad, _):
        caller = Caller(bad.url, patience=20.0, timeout=5.0)
        scoring = RemoteScoring(caller, name="demo", request_rows=3, concurrency=1)
        try:
            assert_kept(kept(file, scoring, tmp_path / "out"), file)
        finally:
            scoring.close()
        asked = [row for _, _, rows in bad.requests for row in rows]
    assert {row["customer"] for row in asked} == set(IDS)
    assert {row["code"] for row in asked} == {*CODES, None} - {"NA"}


def test_a_spelling_of_missing_is_missing_to_the_model(bundle: Bundle, file: Path) -> None:
    scoring = LocalScoring(bundle, name="demo")
    table = open_source(str(file), written=scoring.written).tables[0]
    rows = table.read(0, table.rows)
    place = IDS.index("nan")
    assert rows["code"][place] == "NA"
    assert table.asked(rows)["code"][place] is None
    assert table.asked(rows)["customer"].to_list() == list(IDS)


def test_the_same_way_into_training(bundle: Bundle, file: Path) -> None:
    contract = Contract.from_dict(bundle.json("contract.json"))
    found = read(file, contract=contract)
    texts = [None if one in ("nan", "NA") else one for one in IDS]
    assert found["customer"].to_list() == texts
    assert found["size"].to_list()[:2] == ["1.1", "1.10"]
    assert list(found.select("age", "till").schema.values()) == [pl.Int64(), pl.Float64()]


def test_json_lines_keep_dates_that_are_texts(bundle: Bundle, tmp_path: Path) -> None:
    contract = Contract.from_dict(bundle.json("contract.json"))
    path = tmp_path / "new.jsonl"
    path.write_text('{"customer": "31.01.2026", "age": 5}\n{"customer": "NA", "age": 6}\n')
    assert read(path, contract=contract)["customer"].to_list() == ["31.01.2026", "NA"]
