from __future__ import annotations

from typing import Any

import pytest

from mainspring import step
from mainspring.core.errors import PipelineError
from mainspring.flow.step import Options, collecting, step_of


def test_a_step_stays_the_plain_function_it_was() -> None:
    def doubled(number: int = 2) -> int:
        return number * 2

    assert step(doubled) is doubled
    assert doubled(5) == 10


def test_options_and_name_are_kept_beside_the_function() -> None:
    @step(name="fitted", retries=2, timeout=3.5, executor="processes", cache=False, map="part")
    def fit(part: int) -> int:
        return part

    marked = step_of(fit)
    assert marked is not None
    assert marked.name == "fitted"
    assert marked.options == Options(retries=2, timeout=3.5, executor="processes", cache=False, map="part")
    assert fit(part=1) == 1


def test_marked_steps_are_gathered_even_when_their_names_collide() -> None:
    with collecting() as steps:

        def make(k: int) -> Any:
            @step(name=f"tree_{k}")
            def tree() -> int:
                return k

            return tree

        made = [make(k) for k in (1, 1, 2)]
    assert [s.name for s in steps] == ["tree_1", "tree_1", "tree_2"]
    assert [f() for f in made] == [1, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries must be a whole number from 0, got -1"),
        ({"retries": True}, "retries must be a whole number"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"executor": "ray"}, "executor must be inline or processes, got 'ray'"),
        ({"executor": "inline", "timeout": 1}, "a timeout needs a process"),
        ({"map": "item"}, "map='item' is not one of its parameters. Known: part"),
        ({"name": "two words"}, "usable as a parameter name"),
        ({"name": "contract"}, "that name is the project's contract"),
        ({"cache": "no"}, "cache must be True or False"),
        ({"retry": 2}, "no option retry. Known: name, retries"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message.replace("(", r"\(")):

        @step(**options)
        def fit(part: int) -> int:
            return part


def test_what_cannot_be_a_step_is_refused_with_its_line() -> None:
    with pytest.raises(PipelineError, match=r"test_step\.py:\d+: step loads is async"):

        @step
        async def loads() -> int:
            return 1

    with pytest.raises(PipelineError, match=r"takes \*parts, but its inputs are found by parameter name"):

        @step
        def joined(*parts: int) -> int:
            return sum(parts)

    with pytest.raises(PipelineError, match="is a class"):

        @step
        class Thing:
            pass
