"""Any value a step may return: stored with its parts, loaded as the same, refused with the ways out."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from mainspring.core.errors import PipelineError, StoreError
from mainspring.core.estimate import Estimate
from mainspring.core.predictions import Predictions
from mainspring.data import split
from mainspring.store.formats import Entry, load, register, save
from mainspring.store.formats.registry import ENTRIES, RECORDS, format_of, record_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store import Store


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "json"),
        ({"a": [1, 2.5, "x", None, True]}, "json"),
        ((1, datetime(2026, 1, 1, tzinfo=UTC)), "json"),
        (b"bytes", "json"),
        (Estimate(0.8, 0.7, 0.9, 100), "Estimate"),
    ],
)
def test_plain_values(store: Store, value: Any, kind: str) -> None:
    stored = save(store, value)
    assert stored.type == kind
    back = load(store, stored.digest)
    assert back == value
    assert type(back) is type(value)
    assert save(store, back) == stored


def test_a_container_of_tables_and_arrays(store: Store) -> None:
    frame = pl.DataFrame({"a": [1, 2]})
    value: dict[str, Any] = {
        "tables": [frame, frame.with_columns(b=1)],
        "array": np.arange(6).reshape(2, 3),
        "note": ("x", 1),
    }
    stored = save(store, value)
    back = load(store, stored)
    assert stored.type == "tree"
    assert [each.equals(was) for each, was in zip(back["tables"], value["tables"], strict=True)] == [True, True]
    assert np.array_equal(back["array"], value["array"])
    assert back["note"] == ("x", 1)


def test_a_split_keeps_its_tables_and_facts(store: Store) -> None:
    made = split(pl.DataFrame({"a": range(100), "b": range(100)}), by="random", test=0.25)
    stored = save(store, made)
    back = load(store, stored)
    assert stored.type == "Split"
    assert back.train.equals(made.train)
    assert back.test.equals(made.test)
    assert (back.by, back.seed, back.digest) == (made.by, made.seed, made.digest)


def test_predictions_with_text_classes(store: Store) -> None:
    made = Predictions(
        values=np.array(["no", "yes"], dtype=object), scores=np.array([[0.9, 0.1], [0.2, 0.8]]), classes=("no", "yes")
    )
    back = load(store, save(store, made))
    assert back.classes == ("no", "yes")
    assert list(back.values) == ["no", "yes"]
    assert np.array_equal(back.positive, made.positive)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int8).reshape(2, 3),
        np.array(1.5),
        np.array([], dtype=np.float32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([["a", None], [1, 2.5]], dtype=object),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_come_back(store: Store, array: np.ndarray[Any, Any]) -> None:
    back = load(store, save(store, array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("number", [np.float32(1.5), np.int64(3), np.bool_(True), np.str_("x")], ids=repr)
def test_numpy_numbers_keep_their_type(store: Store, number: Any) -> None:
    back = load(store, save(store, number))
    assert back == number
    assert type(back) is type(number)


def test_an_array_of_objects_names_the_object_it_cannot_take(store: Store) -> None:
    with pytest.raises(PipelineError, match=r"A NumPy array of objects cannot be stored because of a object at \[1\]"):
        save(store, np.array([1, object()], dtype=object))


def test_a_figure_comes_back(store: Store) -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=np.array([3.0, 4.0])), layout={"title": {"text": "Two points"}})
    stored = save(store, figure)
    assert stored.meta == {"traces": ["scatter"]}
    assert load(store, stored).to_dict() == figure.to_dict()


def test_a_file_and_a_folder_come_back_with_their_names(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "inner" / "b.bin").write_bytes(bytes(range(256)) * 1000)
    back = load(store, save(store, folder))
    assert back.name == "report"
    assert {str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()} == {"a.txt", "inner/b.bin"}
    assert (back / "inner" / "b.bin").read_bytes() == (folder / "inner" / "b.bin").read_bytes()
    file = load(store, save(store, folder / "a.txt"))
    assert (file.name, file.read_text()) == ("a.txt", "a")
    assert load(store, save(store, folder)) == back


def test_a_copy_that_someone_changed_is_made_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("right")
    stored = save(store, tmp_path / "a.txt")
    copy = load(store, stored)
    copy.chmod(0o644)
    copy.write_text("wrong")
    assert load(store, stored).read_text() == "right"


def test_paths_that_lead_nowhere_are_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="but there is no file or folder"):
        save(store, tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PipelineError, match="but it is empty"):
        save(store, tmp_path / "empty")


def test_a_stored_folder_cannot_reach_outside_itself(store: Store) -> None:
    for name in ("folder/x/../../../evil", "/etc/evil"):
        wicked = store.put_parts({name: b"x"}, type="path")
        with pytest.raises(StoreError, match="names a place outside itself"):
            load(store, wicked)


class Client:
    """Something a user made."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client)

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Client(), r"A value of type .*Client cannot be stored: return its data as a table, .*@step\(pickle=True\)"),
        ({"clients": [Client()]}, r"A value of type .*Client \(at clients\[0\]\) cannot be stored"),
        ((number for number in [1]), r"A value of type generator cannot be stored: return list\(…\)"),
        (len, "A value of type builtin_function_or_method cannot be stored"),
        (np.ma.masked_array([1, 2], mask=[True, False]), "A value of type .*MaskedArray cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_named_with_the_ways_out(store: Store, value: Any, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        save(store, value)
    assert list(store.digests()) == []


def test_pickle_only_when_asked_and_never_by_surprise(store: Store) -> None:
    stored = save(store, Client(), pickle=True)
    assert stored.type == "pickle"
    assert stored.meta["class"].endswith("Client")
    with pytest.raises(StoreError, match=r"is a pickled .*Client\. Loading it would run code from the file"):
        load(store, stored)
    assert load(store, stored, trusted_pickle=True) == Client()
    assert save(store, {"a": 1}, pickle=True).type == "json", "what has a form is never pickled"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("kind", [entry.type for entry in ENTRIES] + ["json", "tree", "Split", "pickle", "unknown"])
def test_loading_never_runs_code_from_the_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A pickle under any name and any type stays bytes."""
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    npy = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + bomb
    )
    names = ("value.json", "table.parquet", "objects.json", "figure.json", "value.pickle", "estimator.skops")
    for name in names:
        stored = store.put_parts({name: bomb, "array.npy": npy, "model.json": bomb}, type=kind)
        with pytest.raises(Exception, match=r"(?s).+"):
            load(store, stored)
    assert list(tmp_path.glob("exploded")) == []


@pytest.mark.parametrize("name", ["os:system", "Client", "mainspring.core.estimate:Estimate"])
def test_only_listed_records_are_made(store: Store, name: str) -> None:
    document = f'{{"$":"record","type":"{name}","v":{{}}}}'.encode()
    with pytest.raises(StoreError, match="not on the list of what may be loaded"):
        load(store, store.put_parts({"value.json": document}, type="json"))


def test_every_listed_home_exists() -> None:
    for entry in ENTRIES:
        form = format_of(entry.type)
        assert all(callable(getattr(form, method)) for method in ("dump", "load", "describe")), entry
    for name in RECORDS:
        assert hasattr(record_class(name), "__dataclass_fields__"), name


@dataclass(frozen=True)
class Point:
    x: int


class PointFormat:
    def dump(self, value: Point) -> dict[str, bytes]:
        return {"x": str(value.x).encode()}

    def load(self, parts: Mapping[str, bytes]) -> Point:
        return Point(int(parts["x"]))

    def describe(self, value: Point) -> dict[str, Any]:
        return {"x": value.x}


POINT = PointFormat()


def test_a_plugin_adds_a_format(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import mainspring.store.formats.registry as registry

    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setitem(sys.modules, "demo_plugin", sys.modules[__name__])
    register(Entry("demo.point", (f"{__name__}.Point",), "demo_plugin:POINT"))
    stored = save(store, {"points": [Point(1), Point(2)]})
    assert load(store, stored) == {"points": [Point(1), Point(2)]}
    assert save(store, Point(7)).type == "demo.point"
    registry._by_class.cache_clear()


def test_asking_what_a_value_is_loads_nothing_heavy(tmp_path: Path) -> None:
    code = """
import sys
from mainspring.store import load, open_store, save
store = open_store(sys.argv[1])
assert load(store, save(store, {"a": (1, 2.5), "b": {3}})) == {"a": (1, 2.5), "b": {3}}
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    heavy = {"polars", "numpy", "pandas", "pyarrow", "sklearn", "plotly", "pyfastcdc", "sqlalchemy"}
    assert not heavy.intersection(done.stdout.split())


def test_a_type_of_the_future_is_said(store: Store) -> None:
    stored = store.put_parts({"x": b"1"}, type="torch.module")
    with pytest.raises(StoreError, match=r"no format for values of type 'torch\.module'.*or need a plugin"):
        load(store, stored)
