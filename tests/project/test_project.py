from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mainspring.core.errors import InputError, PipelineError
from mainspring.project import Project

CONTRACT = '[project]\nname = "shop"\ntask = "binary"\ntarget = "bought"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mainspring.toml").write_text(CONTRACT)
    (tmp_path / "pipeline.py").write_text("import helpers\nVALUE = helpers.VALUE\n")
    (tmp_path / "helpers.py").write_text("VALUE = 1\n")
    return tmp_path.resolve()


def test_the_nearest_contract_above_makes_the_project(root: Path) -> None:
    deep = root / "notebooks" / "old"
    deep.mkdir(parents=True)
    found = Project.find(deep)
    assert found.root == root
    assert found.contract.project.name == "shop"
    assert repr(found) == f"Project({str(root)!r})"


def test_without_a_contract_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No project here: .*\. Make one with: mainspring init"):
        Project.find(tmp_path)


def test_loading_leaves_the_interpreter_as_it_was(root: Path) -> None:
    before = dict(sys.modules), list(sys.path), Path.cwd()
    module = Project(root).load()
    assert module.VALUE == 1
    assert {"pipeline", "helpers"}.isdisjoint(sys.modules)
    assert (list(sys.path), Path.cwd()) == before[1:]
    assert not (root / "__pycache__").exists()


def test_an_edit_of_the_same_length_in_the_same_second_is_seen(root: Path) -> None:
    project = Project(root)
    assert project.load().VALUE == 1
    (root / "helpers.py").write_text("VALUE = 2\n")
    assert project.load().VALUE == 2


def test_modules_of_two_projects_with_the_same_names_stay_apart(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mainspring.toml").write_text(CONTRACT)
    (other / "pipeline.py").write_text("def late():\n    import helpers\n    return helpers.VALUE\n")
    (other / "helpers.py").write_text("VALUE = 'other'\n")
    first, second = Project(root), Project(other)
    late = second.load().late
    with first.active():
        assert first.load().VALUE == 1
    with second.active():
        assert late() == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n    pass\n", r"pipeline\.py:1: invalid syntax\.\n    def f\(:"),
        ("x = 1\nimport nowhere_at_all\n", r"pipeline\.py:2: no module named 'nowhere_at_all'\. Install it"),
        ("import helpers\n\n1 / 0\n", r"pipeline\.py:3: ZeroDivisionError: division by zero\n    1 / 0"),
        ("import sys\nsys.exit(0)\n", r"pipeline\.py:2: the pipeline called sys\.exit while it was loaded"),
        ("from helpers import nothing\n", r"pipeline\.py:1: ImportError: cannot import name 'nothing'"),
        ("x = '\0'\n", r"pipeline\.py: .*null bytes"),
    ],
)
def test_what_is_wrong_with_the_pipeline_is_said_with_file_and_line(root: Path, text: str, message: str) -> None:
    (root / "pipeline.py").write_text(text)
    with pytest.raises(PipelineError, match=message):
        Project(root).load()


def test_mistakes_in_other_modules_name_those(root: Path) -> None:
    (root / "helpers.py").write_text("VALUE = (\n")
    with pytest.raises(PipelineError, match=r"^helpers\.py:1: '\(' was never closed"):
        Project(root).load()
    (root / "helpers.py").write_text("\n\nVALUE = undefined\n")
    with pytest.raises(PipelineError, match=r"^helpers\.py:3: NameError: name 'undefined' is not defined\n    VALUE"):
        Project(root).load()


def test_a_missing_pipeline_is_said(root: Path) -> None:
    (root / "pipeline.py").unlink()
    with pytest.raises(PipelineError, match=r"has a mainspring\.toml but no pipeline\.py"):
        Project(root).load()


def test_the_workspace_lies_in_the_project_or_where_the_contract_says(root: Path) -> None:
    with Project(root).workspace() as workspace:
        assert workspace.root == root / ".mainspring"
    (root / "mainspring.toml").write_text(CONTRACT + 'workspace = "../elsewhere"\n')
    with Project(root).workspace() as workspace:
        assert workspace.root.resolve() == root.parent / "elsewhere"
