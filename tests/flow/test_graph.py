from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import pytest

from mainspring import Contract, step
from mainspring.core.errors import InputError, NotFound, PipelineError
from mainspring.flow.drawing import mermaid, text
from mainspring.flow.graph import Graph
from mainspring.flow.step import Step, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal


def steps(*functions: Callable[..., Any]) -> list[Step]:
    found = [step_of(function) for function in functions]
    return [one for one in found if one is not None]


@step
def raw(source: str = "customers.csv") -> list[int]:
    return [len(source)]


@step
def parts(raw: Sequence[int], contract: Contract) -> dict[str, int]:
    return {contract.project.name: sum(raw)}


@step
def model(parts: dict[str, int], trials: int = 30, kind: Literal["tree", "line"] = "tree") -> float:
    return float(trials + len(parts) + len(kind))


def test_parameter_names_draw_the_graph_in_a_runnable_order() -> None:
    graph = Graph.draw(steps(model, parts, raw))
    assert list(graph.nodes) == ["raw", "parts", "model"]
    assert graph["parts"].inputs == ("raw",)
    assert graph["parts"].takes_contract
    assert graph["model"].parameters == {"trials": 30, "kind": "tree"}
    assert graph.ancestors("model") == ("raw", "parts")
    assert graph.takers("raw") == ("parts",)
    assert list(graph.upto(["parts"]).nodes) == ["raw", "parts"]


def test_settings_reach_the_steps_that_take_them_in_their_type() -> None:
    graph = Graph.draw(steps(raw, parts, model), {"trials": "7", "model.kind": "line"})
    assert graph["model"].parameters == {"trials": 7, "kind": "line"}
    assert graph["model"].settings == {"trials": 7, "kind": "line"}
    assert graph["raw"].settings == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trails": "7"}, "no step has a parameter 'trails'. Did you mean trials?"),
        ({"model.trails": "7"}, "no step model has a parameter 'trails'. Did you mean trials?"),
        ({"modle.trials": "7"}, "Did you mean model?"),
        ({"raw": "7"}, "raw is the output of a step, so it cannot be set"),
        ({"contract": "7"}, "comes from mainspring.toml"),
        ({"trials": "many"}, "--set trials=many: step model expects a whole number, got 'many'"),
        ({"kind": "forest"}, "expects one of tree, line, got 'forest'"),
    ],
)
def test_a_wrong_setting_names_the_nearest_right_one(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Graph.draw(steps(raw, parts, model), settings)


def test_a_missing_input_names_step_parameter_and_nearest_match() -> None:
    @step
    def report(modle: float) -> float:
        return modle

    with pytest.raises(PipelineError, match=r"test_graph\.py:\d+: step report needs 'modle'.*Did you mean model\?"):
        Graph.draw(steps(raw, parts, model, report))
    assert Graph.draw(steps(raw, parts, model, report), {"modle": "3"})["report"].parameters == {"modle": 3.0}


def test_duplicate_names_are_found_with_both_places() -> None:
    @step(name="raw")
    def again() -> int:
        return 1

    with pytest.raises(PipelineError, match=r"Two steps are called raw \(test_graph\.py:\d+ and test_graph\.py:\d+\)"):
        Graph.draw(steps(raw, again))


def test_a_cycle_is_shown_in_the_direction_of_the_values() -> None:
    @step
    def a(c: int) -> int:
        return c

    @step
    def b(a: int) -> int:
        return a

    @step
    def c(b: int) -> int:
        return b

    with pytest.raises(PipelineError, match="steps a → b → c → a feed each other in a circle"):
        Graph.draw(steps(a, b, c))

    @step
    def own(own: int) -> int:
        return own

    with pytest.raises(PipelineError, match="takes its own output 'own'"):
        Graph.draw(steps(own))


def test_annotations_that_disagree_are_found_before_anything_runs() -> None:
    @step
    def counted(raw: str) -> int:
        return len(raw)

    with pytest.raises(
        PipelineError,
        match=r"step counted wants raw: str, but step raw \(test_graph\.py:\d+\) returns list\[int\]",
    ):
        Graph.draw(steps(raw, counted))

    @step
    def judged(contract: dict) -> int:  # type: ignore[type-arg]
        return len(contract)

    with pytest.raises(PipelineError, match=r"contract is a mainspring\.Contract, but it is annotated dict"):
        Graph.draw(steps(judged))


def test_annotations_for_type_checkers_only_say_nothing() -> None:
    @step
    def priced(raw: Decimal) -> Decimal:
        return raw

    assert len(Graph.draw(steps(raw, priced))) == 2


def test_a_mapped_step_takes_items_and_returns_a_list() -> None:
    @step(map="raw")
    def scaled(raw: int) -> float:
        return raw * 2.0

    @step
    def total(scaled: list[float]) -> float:
        return sum(scaled)

    assert len(Graph.draw(steps(raw, scaled, total))) == 3

    @step(name="wrong", map="raw")
    def wrong(raw: str) -> str:
        return raw

    with pytest.raises(PipelineError, match=r"wants raw: str, but step raw .* returns items of list\[int\]"):
        Graph.draw(steps(raw, wrong))

    @step(name="single", map="total")
    def single(total: int) -> int:
        return total

    with pytest.raises(PipelineError, match="maps over total, but that step returns float, not a list"):
        Graph.draw(steps(raw, scaled, total, single))


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"No step named 'modell'\. Did you mean model\?"):
        Graph.draw(steps(raw, parts, model)).upto(["modell"])


def test_ten_thousand_steps_in_a_chain_are_no_trouble() -> None:
    source = "\n".join(f"def s{i}(s{i - 1}): return s{i - 1}" for i in range(1, 10_000)) + "\ndef s0(): return 0"
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102  # ten thousand functions are not written by hand
    graph = Graph.draw([Step(f"s{i}", names[f"s{i}"]) for i in reversed(range(10_000))])
    assert list(graph.nodes) == [f"s{i}" for i in range(10_000)]


def test_the_graph_is_drawn_as_a_tree_and_as_mermaid() -> None:
    @step
    def report(raw: list[int], model: float) -> float:
        return model

    graph = Graph.draw(steps(raw, parts, model, report))
    assert text(graph) == (
        "raw  source='customers.csv'\n└─ parts  (contract)\n   └─ model  trials=30  kind='tree'\n      └─ report  (raw)"
    )
    drawn = mermaid(graph).splitlines()
    assert drawn[0] == "flowchart TD"
    assert "    step_raw --> step_parts" in drawn
    assert "    contract -.-> step_parts" in drawn
    assert "    step_model --> step_report" in drawn
