"""What gets imported is a promise: a name costs what it needs and no more."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mainspring

HEAVY = {
    "alembic", "fairlearn", "lightgbm", "matplotlib", "numpy", "onnx", "onnxruntime", "optuna", "pandas", "plotly",
    "polars", "pyarrow", "scipy", "skl2onnx", "sklearn", "skops", "sqlalchemy",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_alone_loads_almost_nothing() -> None:
    loaded = loaded_by("import mainspring")
    assert not loaded & (HEAVY | {"cyclopts", "msgspec", "rich", "obstore"})
    own = {name for name in loaded if name.startswith("mainspring")}
    assert own == {"mainspring", "mainspring.core", "mainspring.core.version"}


@pytest.mark.parametrize(
    "code",
    [
        "import mainspring; mainspring.step; mainspring.Project; mainspring.Contract",
        "from mainspring import step",
        "from mainspring.data import check, clean, diff, profile, propose, read, split",
        "from mainspring.train import fit, search",
        "import mainspring.flow.engine, mainspring.flow.why",
        "import mainspring.operate.rollout, mainspring.operate.notify, mainspring.operate.budget",
        "import mainspring.operate.action, mainspring.operate.postmortem",
    ],
)
def test_what_a_pipeline_names_loads_on_use(code: str) -> None:
    assert not loaded_by(code) & HEAVY


@pytest.mark.parametrize("tokens", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_no_layer_that_computes(tokens: list[str]) -> None:
    call = f"try:\n    main({tokens!r})\nexcept SystemExit as end:\n    assert not end.code"
    loaded = loaded_by(f"from mainspring.cli.app import main\n{call}")
    assert not loaded & HEAVY
    layers = {name.split(".")[1] for name in loaded if name.startswith("mainspring.")}
    assert layers <= {"cli", "core"} | ({"ledger"} if "run" in tokens else set())


def test_an_endpoint_starts_its_workers_before_it_loads_a_database_and_a_model_library() -> None:
    """Its workers load meanwhile, so whatever comes before them is waited for by the first prediction."""
    loaded = loaded_by(
        "from mainspring.serve.supervisor import Supervisor\n"
        "from mainspring.cli.app import main\n"
        "Supervisor.run = lambda *_: None\n"
        "try:\n"
        "    main(['serve', 'shop', '--port', '0', '--workspace', 'nowhere'])\n"
        "except SystemExit as end:\n"
        "    assert not end.code"
    )
    assert not loaded & (HEAVY | {"asyncio", "obstore", "rich.console", "sqlite3", "uvicorn"})
    assert not loaded & {"mainspring.contract", "mainspring.ledger", "mainspring.package", "mainspring.project"}


def test_a_worker_answers_without_what_only_training_and_packaging_take() -> None:
    worker = loaded_by("import mainspring.serve.worker")
    assert not worker & (HEAVY | {"cyclopts", "obstore", "rich", "zstandard"})
    ready = loaded_by("from mainspring.serve import worker\nworker._load_libraries()")
    assert {"numpy", "onnxruntime", "mainspring.package.serving", "mainspring.contract.parse"} <= ready
    assert not ready & (HEAVY - {"numpy", "onnxruntime"})
    assert not ready & {"cyclopts", "importlib.metadata", "obstore", "rich", "mainspring.package.card"}


def test_the_public_surface_is_this() -> None:
    assert set(mainspring.__all__) == {
        "Contract", "MainspringError", "Project", "Workspace", "__version__", "backtest", "step",
    }  # fmt: skip
    assert dir(mainspring) == sorted(mainspring.__all__)
    for name in mainspring.__all__:
        assert getattr(mainspring, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'stpe'"):
        _ = mainspring.stpe


def packages() -> list[str]:
    return [
        found.name
        for found in pkgutil.walk_packages(mainspring.__path__, "mainspring.")
        if found.ispkg and not found.name.endswith(".migrations.versions")
    ]


@pytest.mark.parametrize("name", packages())
def test_what_a_package_promises_it_has(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__doc__, "every folder states its rule"
    for promised in getattr(package, "__all__", ()):
        assert hasattr(package, promised), promised


def test_the_examples_in_docstrings_are_run() -> None:
    root = Path(__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "--doctest-modules" in settings["addopts"].split()
    assert "src" in settings["testpaths"]
    found = doctest.DocTestFinder().find(importlib.import_module("mainspring.core.errors"))
    assert sum(len(test.examples) for test in found) >= 4


def test_the_version_is_the_one_of_the_distribution() -> None:
    from importlib.metadata import version

    import mainspring

    assert mainspring.__version__ == version("mainspring")
