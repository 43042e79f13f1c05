"""The Parquet of a request is measured before it is unpacked, whatever its footer says, and read as it was meant."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainspring.serve import invocations, parquet, thrift
from mainspring.serve.parquet import Table
from mainspring.serve.problem import Problem
from mainspring.serve.served import Served
from tests.serve import shop

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

KIND = "application/vnd.apache.parquet"
MIB = 1 << 20


@cache
def served() -> Served:
    return Served(shop.bundle(), name="shop", version=1)


def read(body: bytes, room: int = MIB) -> list[Any]:
    return invocations.read(body, KIND, served(), most=10_000, room=room)


def refused(body: bytes, room: int = MIB) -> Problem:
    with pytest.raises(Problem) as caught:
        read(body, room)
    return caught.value


def file(table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **options)
    return out.getvalue()


@cache
def bomb(codec: str = "zstd") -> bytes:
    """One text of 20 million characters."""
    return file({"town": ["x" * 20_000_000]}, compression=codec, use_dictionary=False, write_statistics=False)


def changed(body: bytes, change: Callable[[thrift.Struct], None], data: bytes | None = None) -> bytes:
    """*body* with another footer, and perhaps with other *data* before it."""
    begin = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    footer = struct_at(body, begin)
    change(footer)
    end = thrift.written(footer)
    return (body[:begin] if data is None else data) + end + len(end).to_bytes(4, "little") + b"PAR1"


def struct_at(body: bytes, at: int) -> thrift.Struct:
    reader = thrift.Reader(body, 10_000)
    reader.at, reader.end = at, len(body)
    return reader.struct()


def chunk(footer: thrift.Struct) -> thrift.Struct:
    """What the footer says of the first column of the first row group."""
    (group, *_) = thrift.structs(footer, 4)
    return thrift.struct(thrift.structs(group, 1)[0], 3)


def test_a_small_body_that_unpacks_to_a_large_one_is_refused_with_both_sizes(http: httpx.Client) -> None:
    assert len(bomb()) < 5_000
    reply = http.post("/invocations", content=bomb(), headers={"content-type": KIND})
    assert (reply.status_code, reply.json()["error_code"]) == (413, "BAD_REQUEST")
    assert reply.json()["message"].startswith("The Parquet table is 20,000,0")
    assert "at most 1,048,576 are taken" in reply.json()["message"]


def test_what_the_footer_says_of_sizes_does_not_count() -> None:
    def small(footer: thrift.Struct) -> None:
        chunk(footer)[6] = thrift.I64, 10

    problem = refused(changed(bomb(), small))
    assert (problem.status, "is 20,000,0" in problem.message) == (413, True)


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "brotli", "lz4"])
def test_no_page_unpacks_to_more_than_its_head_says(codec: str) -> None:
    body = bomb(codec)
    head = struct_at(body, 4)
    packed = body[4 + len(thrift.written(head)) :][: thrift.number(head, 3)]
    head[2] = thrift.I32, 1000
    data = b"PAR1" + thrift.written(head) + packed

    def shorter(footer: thrift.Struct) -> None:
        chunk(footer)[7] = thrift.I64, len(data) - 4

    assert refused(changed(body, shorter, data), room=len(body) + 1000).status == 400


@pytest.mark.parametrize("rows", [100, 10_000])
def test_a_text_that_is_there_once_and_meant_in_every_row_counts_for_every_row(rows: int) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 500_000])
    body = file({"town": texts}, compression="zstd", dictionary_pagesize_limit=MIB)
    problem = refused(body)
    assert (problem.status, f"is {rows * 500_000:,} bytes" in problem.message) == (413, True)
    fixed = file({"town": pa.array([b"x" * 100_000] * 100, pa.binary(100_000))}, compression="zstd")
    assert refused(fixed).status == 413


def test_an_encoding_in_which_a_text_may_be_longer_than_what_is_stored_is_refused() -> None:
    body = file(
        {"town": ["x" * 50_000] * 500}, use_dictionary=False, column_encoding={"town": "DELTA_BYTE_ARRAY"},
        compression="zstd",
    )  # fmt: skip
    problem = refused(body)
    assert (problem.status, "Column 'town' has the encoding 7" in problem.message) == (400, True)


@pytest.mark.parametrize(
    "footer", [b"\x19\xfc\xff\xff\xff\x7f" + bytes(2_000_000), b"\x29\xfc\xff\xff\xff\x7f" + b"\x15\x02\0" * 700_000]
)
def test_a_footer_that_describes_too_much_is_given_up(footer: bytes) -> None:
    problem = refused(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert (problem.status, "too many columns" in problem.message) == (413, True)


def test_only_the_columns_that_are_wanted_count() -> None:
    row = {name: [value] for name, value in shop.GOOD.items()}
    others = {f"other{place}": ["-"] for place in range(invocations.SPARE)}
    body = file({**row, **others, "letter": ["x" * 20_000_000]}, compression="zstd", use_dictionary=False)
    (found,) = read(body)
    assert set(found) == set(shop.GOOD) | set(others)


def test_nested_columns_are_passed_over_unless_the_model_takes_them() -> None:
    row = {name: [value] for name, value in shop.GOOD.items()}
    aside = {"points": [[1, 2]], "place": [{"age": 3, "deep": [{"a": 1}]}]}
    assert read(file({**aside, **row, "last": [1]})) == [{**shop.GOOD, "last": 1}]
    problem = refused(file({**row, "age": [[40]]}))
    assert (problem.status, "Column 'age' holds lists or structs" in problem.message) == (400, True)


TYPES: dict[str, list[Any]] = {
    "text": ["a", "ö" * 70, None, "a"],
    "whole": [1, -(2**60), None, 3],
    "real": [1.5, None, -2.0, 1e300],
    "truth": [True, None, False, True],
    "day": [date(2024, 2, 29), None, date(1900, 1, 1), date(2024, 2, 29)],
    "moment": [datetime(2024, 2, 29, 12, 30, 1, 5), None] * 2,
    "zoned": [datetime(2024, 2, 29, 12, 30, tzinfo=UTC), None] * 2,
    "clock": [time(23, 59, 58), None] * 2,
    "span": [timedelta(seconds=90), None] * 2,
    "none": [None] * 4,
}


def by_polars(frame: pl.DataFrame, **options: Any) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        by_polars,
        lambda frame: by_polars(frame, row_group_size=1, compression="uncompressed"),
        lambda frame: file(frame.to_arrow()),
        lambda frame: file(frame.to_arrow(), data_page_version="2.0", compression="gzip", row_group_size=3),
        lambda frame: file(frame.to_arrow(), use_dictionary=False, data_page_size=1, write_batch_size=1),
        lambda frame: file(frame.to_arrow(), version="1.0", compression="brotli"),
    ],
)
def test_every_type_is_read_as_it_was_written(
    write: Callable[[pl.DataFrame], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocations, "_wanted", lambda names, _: list(names))
    frame = pl.DataFrame(TYPES).with_columns(
        pl.Series("small", [1, 2, None, 4], dtype=pl.UInt8),
        pl.Series("huge", [2**63 + 1, 2, None, 4], dtype=pl.UInt64),
        pl.Series("half", [1.5, 2, None, 4], dtype=pl.Float32),
        pl.Series("kind", ["p", "q", None, "p"], dtype=pl.Categorical),
        pl.Series("money", ["1.50", "2.25", None, "0.01"]).cast(pl.Decimal(10, 2)),
    )
    from mainspring.package.serving import json_value

    expected = [{name: json_value(cell) for name, cell in row.items()} for row in frame.iter_rows(named=True)]
    assert read(write(frame)) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: chunk(footer).update({5: (thrift.I64, 2)}),
        lambda footer: chunk(footer).update({7: (thrift.I64, 10**9)}),
        lambda footer: chunk(footer).update({9: (thrift.I64, -5)}),
        lambda footer: chunk(footer).update({9: (thrift.BINARY, b"12")}),
        lambda footer: thrift.structs(footer, 2)[1].update({6: (thrift.BINARY, b"12")}),
        lambda footer: thrift.structs(footer, 2)[1].update({4: (thrift.BINARY, b"\xff")}),
        lambda footer: thrift.structs(footer, 2).append(thrift.structs(footer, 2)[1]),
        lambda footer: footer.pop(4),
    ],
)
def test_a_footer_that_contradicts_the_file_is_refused(change: Callable[[thrift.Struct], None]) -> None:
    body = file({"age": [40]})
    assert Table(body).names == ["age"]
    problem = refused(changed(body, change))
    assert (problem.status, problem.message.startswith("The body is not a Parquet file: ")) == (400, True)


def test_broken_files_end_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import random

    monkeypatch.setattr(invocations, "_wanted", lambda names, _: list(names))
    whole = file(pl.DataFrame(TYPES).to_arrow())
    rng = random.Random(7)
    statuses = set()
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        try:
            read(bytes(body[: rng.randrange(len(body))] if rng.random() < 0.1 else body))
        except Problem as problem:
            statuses.add(problem.status)
    assert statuses == {400}
    far = pl.DataFrame({"since": pl.Series([-5_000_000], dtype=pl.Int32).cast(pl.Date)})
    found = refused(by_polars(far))
    assert (found.status, "year -11720 is out of range" in found.message) == (400, True)


def test_what_is_read_again_is_what_was_written() -> None:
    inner: thrift.Struct = {1: (thrift.TRUE, True), 2: (thrift.FALSE, False), 40: (thrift.BYTE, -3)}
    value: thrift.Struct = {
        3: (thrift.I64, -(2**63)), 4: (thrift.LIST, (thrift.I32, list(range(-10, 10)))), 5: (thrift.STRUCT, inner),
        900: (thrift.BINARY, b"x" * 300),
    }  # fmt: skip
    assert struct_at(thrift.written(value), 0) == value
    assert thrift.kept(value, {5: {2: thrift.TRUE}}) == {5: (thrift.STRUCT, {2: (thrift.FALSE, False)})}
    with pytest.raises(thrift.Malformed):
        struct_at(b"\x15\x02\x05\x02\x02\x00", 0)  # field 1 twice
    assert parquet.ENCODINGS.keys().isdisjoint({6, 7})
