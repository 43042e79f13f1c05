"""``mainspring verify``: equal, not equal, and damage of every kind."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mainspring.core.digest import digest_bytes
from mainspring.project import Project
from mainspring.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


@pytest.fixture
def bundle(shop: Path, tmp_path: Path) -> Path:
    """The champion as a folder."""
    with Project(shop).workspace() as workspace:
        return Registry(workspace).load("shop").write(tmp_path / "bundle")


def test_a_registered_model_is_equal(call_in: Call, shop: Path) -> None:
    done = call_in("verify", "shop", "--json", where=shop)
    found = json.loads(done.out)
    assert done.code == 0
    assert {"equal", "largest_difference", "rows", "form"} <= set(found)
    assert (found["equal"], found["rows"], found["form"]) == (True, 100, "onnx")
    assert found["largest_difference"] <= found["tolerance"] <= 1e-5
    said = call_in("verify", "shop/2", where=shop)
    assert (said.code, said.out.split(",")[0]) == (0, "equal: 100 rows")
    assert said.out.endswith("scored as native\n")


def test_a_model_that_predicts_otherwise_is_not_equal(call_in: Call, bundle: Path) -> None:
    answers = np.load(bundle / "examples.npy")
    answers[7] += 0.25
    buffer = io.BytesIO()
    np.save(buffer, answers)
    (bundle / "examples.npy").write_bytes(buffer.getvalue())
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["parts"]["examples.npy"] = digest_bytes(buffer.getvalue())
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = call_in("verify", str(bundle), "--json", where=bundle.parent)
    found = json.loads(done.out)
    assert (done.code, found["equal"]) == (1, False)
    assert found["largest_difference"] == pytest.approx(0.25, abs=1e-4)
    said = call_in("verify", str(bundle), where=bundle.parent)
    assert (said.code, said.out.startswith("not equal: 100 rows, largest difference 0.25")) == (1, True)


def test_another_environment_is_said(call_in: Call, bundle: Path) -> None:
    locked = json.loads((bundle / "environment.json").read_text())
    locked["distributions"]["scikit-learn"] = "0.1"
    (bundle / "environment.json").write_text(json.dumps(locked))
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["parts"]["environment.json"] = digest_bytes((bundle / "environment.json").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = call_in("verify", str(bundle), where=bundle.parent)
    assert done.code == 0
    assert "scikit-learn was 0.1 at training and is " in done.err


@pytest.mark.parametrize("part", ["model.onnx", "examples.parquet", "environment.json", "README.md"])
def test_a_damaged_part_of_a_bundle_is_named(call_in: Call, bundle: Path, part: str) -> None:
    data = bytearray((bundle / part).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (bundle / part).write_bytes(bytes(data))
    for command in ("verify", "predict"):
        done = call_in(command, str(bundle), where=bundle.parent)
        assert (done.code, done.out) == (2, "")
        assert f"not as it was made: {part} changed" in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json is damaged"),
        ("[]", "manifest.json is damaged"),
        ('{"format": 99}', "The bundle has format 99, this version reads up to 1"),
        ('{"format": 1, "features": []}', "manifest.json is damaged"),
    ],
)
def test_an_unusable_manifest_is_one_message(call_in: Call, bundle: Path, text: str, message: str) -> None:
    (bundle / "manifest.json").write_text(text)
    done = call_in("verify", str(bundle), where=bundle.parent)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_missing_part_is_named(call_in: Call, bundle: Path) -> None:
    (bundle / "examples.npy").unlink()
    done = call_in("verify", str(bundle), where=bundle.parent)
    assert done.code == 2
    assert "examples.npy" in done.err


def test_damaged_objects_of_the_store_are_found_and_nothing_is_lost(call_in: Call, own_shop: Path) -> None:
    changed = 0
    for path in (own_shop / ".mainspring" / "store").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.chmod(0o644)
            path.write_bytes(bytes(data))
            changed += 1
    assert changed
    (own_shop / "new.csv").write_text("age,visits,town\n30,1,bo\n")
    for command in (["verify", "shop"], ["predict", "shop", "new.csv"], ["models", "show", "shop"]):
        done = call_in(*command, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert "damaged" in done.err
        assert done.err.count("\n") == 1
    found = json.loads(call_in("models", "list", "--json", where=own_shop).out)
    assert [one["version"] for one in found] == [3, 2, 1]
    done = call_in("run", "--set", "kind=linear", "--json", where=own_shop)
    assert done.code == 0, done.err
    again = json.loads(done.out)
    assert "ran" in {step["status"] for step in again["steps"]}, "what is damaged is made again"
    assert call_in("verify", f"shop/{again['model']['version']}", where=own_shop).code == 0


def test_a_wrong_name_is_one_message(call_in: Call, shop: Path) -> None:
    done = call_in("verify", "shpo", where=shop)
    assert (done.code, done.out) == (2, "")
    assert "Did you mean shop?" in done.err
