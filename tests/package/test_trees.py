"""A forest written densely answers bit for bit as the graph that the converter made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from mainspring.package import onnx
from mainspring.package.trees import dense
from mainspring.train import fit
from tests.package.conftest import TASKS, contract, table

if TYPE_CHECKING:
    from onnx import ModelProto

    from mainspring.core.task import Task
    from mainspring.train.model import Model


def forest(task: Task, *, trees: int = 20, rows: int = 600) -> Model:
    return fit(table(rows), contract(task), kind="forest", params={"trees": trees})


def converted(model: Model) -> ModelProto:
    form = [(onnx.INPUT, FloatTensorType([None, len(model.encoder.outputs)]))]
    options = None if model.classes is None else {id(model.estimator): {"zipmap": False}}
    graph: ModelProto = to_onnx(model.estimator, initial_types=form, options=options)
    return graph


def odd_rows(width: int) -> np.ndarray:
    matrix = np.random.default_rng(0).normal(scale=30, size=(400, width)).astype(np.float32)
    matrix[::7, 0] = np.nan
    matrix[1::7, 1] = np.float32(1e30)
    return matrix


@pytest.mark.parametrize("task", TASKS)
def test_answers_as_the_converted_graph_does(task: Task) -> None:
    model = forest(task)
    before = converted(model).SerializeToString()
    graph = dense(converted(model))
    after = graph.SerializeToString()
    matrix = odd_rows(len(model.encoder.outputs))
    old, new = onnx.session(before), onnx.session(after)
    one, other = (onnx.run(each, onnx.answer_name(each), matrix) for each in (old, new))
    np.testing.assert_array_equal(one, other)
    is_dense = any(node.op_type == "TreeEnsemble" for node in graph.graph.node)
    assert is_dense is (task != "multiclass"), "a leaf has several answers where there are more than two classes"
    assert len(after) < len(before) / 2 if is_dense else after == before


def test_a_bundle_has_the_dense_graph() -> None:
    model = forest("binary")
    assert b"BRANCH_LEQ" not in onnx.convert(model.estimator, len(model.encoder.outputs))


@pytest.mark.parametrize(
    ("name", "value"),
    [("post_transform", b"LOGISTIC"), ("base_values", [0.5]), ("nodes_modes", b"BRANCH_LT"), ("class_ids", 1)],
)
def test_what_has_another_form_is_left_as_it_is(name: str, value: object) -> None:
    from onnx import helper

    graph = converted(forest("binary", trees=2, rows=200))
    old = graph.graph.node[-1]
    said = {each.name: helper.get_attribute_value(each) for each in old.attribute}
    said[name] = [value, *said[name][1:]] if isinstance(said.get(name), list) else value
    del old.attribute[:]
    old.attribute.extend(helper.make_attribute(key, each) for key, each in said.items())
    before = graph.SerializeToString()
    assert dense(graph).SerializeToString() == before


def test_what_is_no_forest_is_left_as_it_is() -> None:
    graph = converted(fit(table(), contract("binary"), kind="linear"))
    before = graph.SerializeToString()
    assert dense(graph).SerializeToString() == before
