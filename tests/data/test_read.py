"""Reading: what is found out, what is never lost, and one clear message for what is no table."""

from __future__ import annotations

import csv
import gzip
import io
import json
import string
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mainspring.core.errors import InputError, NotFound
from mainspring.data.read import read, read_with_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def table(data: bytes | str, **options: Any) -> pl.DataFrame:
    return read(io.BytesIO(data.encode() if isinstance(data, str) else data), **options)


def notes(data: bytes | str) -> str:
    return "\n".join(read_with_report(io.BytesIO(data.encode() if isinstance(data, str) else data))[1].notes)


# --- encodings and dialects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(encoding: str, delimiter: str) -> None:
    text = f"name{delimiter}price\ncafé à la crème{delimiter}3.5\nmaçã{delimiter}4.25\n"
    frame, report = read_with_report(io.BytesIO(text.encode(encoding)))
    assert frame.to_dict(as_series=False) == {"name": ["café à la crème", "maçã"], "price": [3.5, 4.25]}
    assert report.delimiter == delimiter
    assert report.header is True


def test_columns_between_blanks_and_aligned_by_blanks() -> None:
    assert table("a b c\n1 2 x\n3 4 y\n").to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}
    assert table("a    b\n1    2\n33   4\n").to_dict(as_series=False) == {"a": [1, 33], "b": [2, 4]}


def test_prose_is_one_column() -> None:
    frame = table("text\nhello world, this is\nanother, line, here\nplain\n")
    assert frame.to_dict(as_series=False) == {"text": ["hello world, this is", "another, line, here", "plain"]}


def test_a_latin_byte_that_windows_does_not_use_reads_as_latin_1() -> None:
    assert read_with_report(io.BytesIO(b"a,b\ncaf\xe9,1\nx\x81,2\n"))[1].encoding == "latin-1"


def test_a_semicolon_file_with_decimal_commas_is_not_taken_for_a_comma_file() -> None:
    frame = table("1,5;2,5\n3,5;4,5\n5,25;3,5\n")
    assert frame.rows() == [(1.5, 2.5), (3.5, 4.5), (5.25, 3.5)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_quotes_and_blank_lines(newline: str) -> None:
    frame = table(newline.join(['a,"b"', '1,"x, ""y"""', "", '2,5" pipe', ""]))
    assert frame.to_dict(as_series=False) == {"a": [1, 2], "b": ['x, "y"', '5" pipe']}


def test_blanks_after_delimiters_even_before_quotes() -> None:
    frame = table('date, place, visitors\n2011-01-01, "Galway, Ireland", 3\n2011-01-02, Berkeley, 4\n')
    assert frame.rows() == [(date(2011, 1, 1), "Galway, Ireland", 3), (date(2011, 1, 2), "Berkeley", 4)]


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("39, State-gov, <=50K\n50, Private, >50K\n", ["column_1", "column_2", "column_3"]),
        ("p,x,s\ne,x,s\np,b,y\n", ["column_1", "column_2", "column_3"]),  # no numbers, but first cells come back
        ("name,2019,2020\nx,1,2\ny,3,4\n", ["name", "2019", "2020"]),  # names that are numbers
        ("first,last\nAda,Lovelace\nAlan,Turing\n", ["first", "last"]),
        ("1,null,0\n2,0,0\n", ["column_1", "column_2", "column_3"]),
    ],
)
def test_a_header_is_told_from_data(text: str, names: list[str]) -> None:
    assert table(text).columns == names


def test_a_given_header_is_not_guessed() -> None:
    assert table("1,2\n3,4\n", header=True).columns == ["1", "2"]
    assert table("a,b\nc,d\n", header=False).height == 2


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "+3"], [1, -2, 3]),
        (["1.5", "2", "1e3"], [1.5, 2.0, 1000.0]),
        (["1.5", "inf", "-Infinity"], [1.5, float("inf"), float("-inf")]),
        (["TRUE", "false", "True"], [True, False, True]),
        (["1", "?", "NA", ""], [1, None, None, None]),
        (["1.5", "nan", "-"], [1.5, None, None]),
        (["x", "?", "None", "-"], ["x", None, "None", "-"]),  # in text, None and - may be values
        (["01234", "99999"], ["01234", "99999"]),  # a postal code
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),  # more than 64 bits
        (["1", "2", "x", "4"], ["1", "2", "x", "4"]),  # mixed: text without loss
        (["1,5", "2,25"], [1.5, 2.25]),  # decimal commas
        (["1.234,5", "7"], [1234.5, 7.0]),
        (["1,234.5", "7"], [1234.5, 7.0]),  # thousands
        (["1,234,567", "8"], [1234567, 8]),
        (["1,500", "2,250"], ["1,500", "2,250"]),  # either: stays text
        (["2026-01-31", "2026-02-01"], [date(2026, 1, 31), date(2026, 2, 1)]),
        (["31.01.2026", "01.02.2026"], [date(2026, 1, 31), date(2026, 2, 1)]),
        (["31/01/2026 10:30", "01/02/2026 09:00"], [datetime(2026, 1, 31, 10, 30), datetime(2026, 2, 1, 9)]),
        (["01/31/2026", "02/01/2026"], [date(2026, 1, 31), date(2026, 2, 1)]),
        (["3 Feb 2026", "14 Mar 2026"], [date(2026, 2, 3), date(2026, 3, 14)]),
        (["2026-01-31", "31/01/2026", "2026-02-01"], ["2026-01-31", "31/01/2026", "2026-02-01"]),  # two formats
        (["01/02/2026", "05/04/2026", "03/03/2026"], ["01/02/2026", "05/04/2026", "03/03/2026"]),  # day or month first?
        (["2026-02-30", "2026-02-01"], ["2026-02-30", "2026-02-01"]),  # no such day
    ],
)
def test_a_column_becomes_what_all_its_values_are(cells: list[str], expected: list[Any]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["v", "w"], *([cell, "x"] for cell in cells)])
    assert table(text.getvalue())["v"].to_list() == expected


def test_an_offset_moves_to_utc_and_several_stay_text() -> None:
    zoned = table("t,v\n2026-01-01T00:00:00Z,1\n2026-01-01T02:00:00+00:00,2\n")["t"]
    assert zoned.dtype == pl.Datetime("us", "UTC")
    assert zoned[1] - zoned[0] == timedelta(hours=2)
    mixed = "t,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00+02:00,2\n"
    assert table(mixed)["t"].dtype == pl.String
    assert "kept as text: times of 2 offsets from UTC: '2026-01-01T00:00:00Z' (row 1) and " in notes(mixed)
    assert table("t,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00,2\n")["t"].dtype == pl.String


def test_day_and_month_are_told_apart_by_rising_rows() -> None:
    rows = "".join(f"{day:02}/{month:02}/2026,1\n" for month in (1, 2, 3) for day in (1, 2, 3))
    assert table("t,v\n" + rows)["t"].dtype == pl.Date
    assert "%d/%m/%Y" in notes("t,v\n" + rows)


def test_every_guess_is_noted() -> None:
    said = notes("39, ?, x\n50, ?, y\n17, a, z\n")
    assert "'?' read as missing in 2 cells of column_2" in said
    assert "column_1 to column_3" in said
    assert "1 of 4 values are not numbers, such as 'x'" in notes("v,w\n1,a\n2,b\nx,c\n4,d\n")
    assert "dates in several formats" in notes("v,w\n2026-01-31,a\n31/01/2026,b\n2026-02-01,c\n")


def test_own_spellings_of_missing() -> None:
    assert table("v,w\n1,a\n-999,b\n", nulls=["-999"])["v"].to_list() == [1, None]
    assert table("v,w\nx,a\nNA,b\n", nulls=())["v"].to_list() == ["x", "NA"]


# --- other formats and sources ---------------------------------------------------------------------------------------


def test_parquet_arrow_gzip_and_frames_of_others(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.write_parquet(tmp_path / "f.parquet")
    frame.write_ipc(tmp_path / "f.arrow", compression="uncompressed")
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    for name in ("f.parquet", "f.arrow", "f.csv.gz"):
        assert_frame_equal(read(tmp_path / name), frame)
    for other in (frame, frame.lazy(), frame.to_arrow(), pd.DataFrame({"a": [1, 2], "b": ["x", None]})):
        assert read(other).rows() == frame.rows()
    assert isinstance(frame.to_arrow(), pa.Table)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        buffer = io.BytesIO(b"a,b\n1,2\n")

    monkeypatch.setattr("sys.stdin", Pipe())
    assert read("-").rows() == [(1, 2)]


def test_json_lines_keep_mixed_and_nested_values_as_text() -> None:
    lines = [{"a": 1, "b": True, "t": "2026-01-31"}, {"a": "x", "b": False}, {"a": 2.5, "c": {"d": [1]}, "code": "007"}]
    frame = table("\n".join(map(json.dumps, lines)))
    assert frame["a"].to_list() == ["1", "x", "2.5"]
    assert frame["b"].to_list() == [True, False, None]
    assert frame["t"].dtype == pl.Date
    assert frame["c"].to_list() == [None, None, '{"d":[1]}']
    assert frame["code"][2] == "007"
    assert table('[{"a": 1}, {"a": 2}]')["a"].to_list() == [1, 2]


def test_two_thousand_columns_and_fifty_thousand_levels() -> None:
    wide = ",".join(f"c{place}" for place in range(2000)) + "\n" + ",".join(map(str, range(2000))) + "\n"
    assert table(wide).row(0) == tuple(range(2000))
    levels = table("k,v\n" + "".join(f"level {place},{place}\n" for place in range(50_000)))
    assert levels["k"].n_unique() == 50_000
    assert levels["v"].dtype == pl.Int64


# --- what is no table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b"\n \n\n", "is empty"),
        (b"a,b,c\n", "has column names (a, b, c) but no rows"),
        (b"a,b,c\n1,2,3\n4,5\n6,7,8\n9\n", "(delimiter ','), but line 3 has 2, line 5 has 1"),
        (b'a,b\n"x\ny",1\n2,3,4\n', "line 4 has 3"),
        (b"a,b,a\n1,2,3\n", "uses a column name more than once: 'a'"),
        (b"a,,c\n1,2,3\n", "Column 2 has no name"),
        (b'a,b\n1,"x\n2,y\n3,z\n', "A quote that opens in line 2"),
        (b"\x00\x01\x02\x03\x00\x00abc", "contains zero bytes"),
        ("日本語,値段\n東京都,一二三\n".encode("shift_jis"), "not UTF-8"),
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook"),
        (b"<!DOCTYPE html><html></html>", "an HTML or XML document"),
        (b"\x80\x04\x95abc", "a pickle, which is never loaded"),
        (b"PAR1junk", "a damaged Parquet file"),
        (b"\x1f\x8bxxxx", "a damaged gzip file"),
        (b'{"a":1}\n{"a":\n', "Line 2 of"),
        (b'{"a":1}\n5\n', "Expected JSON objects"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_clear_message(data: bytes, expected: str) -> None:
    with pytest.raises(InputError) as error:
        table(data)
    assert expected in str(error.value)


def test_a_wrong_encoding_names_byte_and_line() -> None:
    with pytest.raises(InputError, match=r"not ascii: byte 7 \(line 2\)"):
        table("a,b\ncafé,1\n".encode("cp1252"), encoding="ascii")
    with pytest.raises(InputError, match="Did you mean latin-1"):
        table(b"a\n1\n", encoding="latin1-x")


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a\n1\n")
    with pytest.raises(NotFound, match=r"Did you mean customers\.csv\?"):
        read(tmp_path / "custmers.csv")
    with pytest.raises(InputError, match=r"is a folder; .*It holds customers\.csv"):
        read(tmp_path)
    with pytest.raises(InputError, match="not a local file"):
        read("s3://bucket/customers.csv")


# --- nothing is lost on the way --------------------------------------------------------------------------------------

_WORDS = st.text(string.ascii_letters + "äéß ,;|\t\"'-", min_size=1, max_size=12).map(lambda text: f"w{text}w")
_COLUMNS: dict[str, Any] = {
    "whole": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, width=64),
    "word": _WORDS,
    "day": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "moment": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    "truth": st.booleans(),
}


@st.composite
def _tables(draw: st.DrawFn) -> Mapping[str, list[Any]]:
    rows = draw(st.integers(1, 12))
    names = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, unique=True))
    cells = {name: draw(st.lists(_COLUMNS[name], min_size=rows, max_size=rows)) for name in names}
    gaps = {name: draw(st.lists(st.booleans(), min_size=rows, max_size=rows)) for name in names[1:]}
    return {
        name: [None if name in gaps and gaps[name][row] and row else value for row, value in enumerate(values)]
        for name, values in cells.items()
    }


def _written(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


@settings(max_examples=150, deadline=None)
@given(
    columns=_tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_a_written_table_reads_back_as_it_was(
    columns: Mapping[str, list[Any]], delimiter: str, encoding: str, newline: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(columns)
    writer.writerows(
        [_written(cell) for cell in row] if any(map(_written, row)) else ['""']
        for row in zip(*columns.values(), strict=True)
    )
    frame = read(io.BytesIO(text.getvalue().encode(encoding)), delimiter=delimiter, header=True)
    assert frame.to_dict(as_series=False) == dict(columns)


# --- real files ------------------------------------------------------------------------------------------------------


def test_the_raw_files_are_read_as_they_are(shared_data: Path) -> None:
    train, test = (read(shared_data / f"adult-raw-{part}.csv.gz") for part in ("train", "test"))
    assert (train.shape, test.shape) == ((32_561, 15), (16_281, 15))
    assert set(test["column_15"]) == {"<=50K.", ">50K."}
    both = pl.concat([train, test])
    assert [both[name].null_count() for name in ("column_2", "column_7", "column_14")] == [2799, 2809, 857]
    deok, dayton = (read(shared_data / f"pjm-raw-{region}.csv.gz") for region in ("DEOK", "DAYTON"))
    known = read(shared_data / "pjm_hourly_load.parquet")
    for name, frame in (("DEOK", deok), ("DAYTON", dayton)):
        expected = known.filter(pl.col("region") == name)
        assert frame["Datetime"].cast(pl.Datetime("ms")).sort().equals(expected["datetime"].sort())


def test_every_dirty_and_clean_file_and_every_parquet_loads(shared_data: Path) -> None:
    for path in sorted([*shared_data.glob("*.parquet"), *shared_data.glob("dirty_clean/*.csv.gz")]):
        assert read(path).height > 0
    beers = read(shared_data / "dirty_clean" / "beers.dirty.csv.gz")
    assert beers.shape == (2410, 11)
    assert beers["ibu"].dtype == pl.Int64  # N/A is missing
    assert beers["ounces"][0] == "12.0 oz"
