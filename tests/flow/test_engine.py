from __future__ import annotations

import time

import pytest

from mainspring.core.errors import InputError, NotFound, PipelineError
from mainspring.flow import engine
from mainspring.flow.why import why
from mainspring.ledger.ports.runs import RunQuery
from tests.flow.workbench import NOTE, Workbench

CHAIN = (
    NOTE
    + """
@step
def raw(rows: int = 4):
    note("raw")
    return list(range(rows))

@step
def parity(raw):
    note("parity")
    return [x % 2 for x in raw]

@step
def total(parity, contract):
    note("total")
    return sum(parity) + 10 * len(contract.columns)

@step
def size(raw):
    note("size")
    return len(raw)
"""
)


@pytest.fixture
def chain(bench: Workbench) -> Workbench:
    bench.pipeline(CHAIN)
    return bench


def test_the_first_run_does_everything_and_the_second_nothing(chain: Workbench) -> None:
    first = chain.run()
    assert first.values == {"raw": [0, 1, 2, 3], "parity": [0, 1, 0, 1], "total": 22, "size": 4}
    assert chain.calls() == ["raw", "parity", "total", "size"]
    second = chain.run()
    assert set(second.statuses.values()) == {"reused"}
    assert second.values == first.values
    assert chain.calls() == []
    assert [s.key for s in first.result.steps] == [s.key for s in second.result.steps]


def test_a_changed_parameter_reruns_its_step_and_those_behind_it(chain: Workbench) -> None:
    chain.run()
    assert chain.run(rows="6").ran == ["raw", "parity", "total", "size"]
    back = chain.run()
    assert back.ran == []
    assert back.values["size"] == 4


def test_an_equal_result_spares_the_steps_behind_it(chain: Workbench) -> None:
    chain.run()
    chain.edit("pipeline.py", "return [x % 2 for x in raw]", "return [int(x % 2 == 1) for x in raw]")
    assert chain.run().ran == ["parity"]


def test_only_what_a_target_needs_is_done(chain: Workbench) -> None:
    assert chain.run("size").ran == ["raw", "size"]
    with pytest.raises(NotFound, match=r"No step named 'sise'\. Did you mean size\?"):
        chain.run("sise")


def test_mistakes_are_found_before_anything_runs(chain: Workbench) -> None:
    with pytest.raises(InputError, match="Did you mean rows"):
        chain.run(row=3)
    chain.edit("pipeline.py", "def size(raw)", "def size(rwa)")
    with pytest.raises(PipelineError, match=r"needs 'rwa'.*Did you mean raw"):
        chain.run()
    assert chain.calls() == []


def test_a_damaged_or_deleted_value_is_noticed_and_made_again(chain: Workbench) -> None:
    first = chain.run()
    objects = chain.root / ".mainspring" / "store" / "objects"

    def file_of(step: str) -> str:
        digest = first.result.outputs[step].digest
        return f"{digest[:2]}/{digest[2:]}"

    (objects / file_of("parity")).write_bytes(b"rotten")
    again = chain.run()
    assert again.ran == ["parity"]
    assert again.values == first.values
    (objects / file_of("total")).unlink()
    assert chain.run().ran == ["total"]
    assert chain.run().ran == []


def test_a_large_value_is_not_read_again_to_prove_it_intact_but_damage_is_still_seen(bench: Workbench) -> None:
    bench.pipeline("""
    import random

    @step
    def noise():
        random.seed(1)
        return random.randbytes(3_000_000)

    @step
    def size(noise):
        return len(noise)
    """)
    bench.run()
    bench.run()
    assert (bench.root / ".mainspring" / "intact.json").stat().st_size > 100
    packs = [p for p in (bench.root / ".mainspring" / "store" / "packs").rglob("*") if p.is_file()]
    assert packs
    for pack in packs:
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 255
        pack.write_bytes(bytes(data))
    assert bench.run().ran == ["noise"]
    assert bench.run().values["size"] == 3_000_000


def test_contract_sections_count_only_where_they_are_read(chain: Workbench) -> None:
    chain.run()
    chain.edit("mainspring.toml", "minimum = 18", "minimum = 18  # grown up")
    chain.edit("mainspring.toml", 'name = "shop"', 'name = "shop"\npurpose = "sell"')
    (chain.root / "mainspring.toml").write_text(
        (chain.root / "mainspring.toml").read_text() + '[[require]]\nmetric = "roc_auc"\nat_least = 0.8\n'
    )
    assert chain.run().ran == []
    chain.edit("mainspring.toml", "minimum = 18", "minimum = 21")
    assert chain.run().ran == ["total"]
    chain.edit("mainspring.toml", "minimum = 21", "minimum = 18")
    assert chain.run().ran == []


def test_a_step_without_cache_always_runs_and_spares_its_takers(bench: Workbench) -> None:
    bench.pipeline("""
    @step(cache=False)
    def moment():
        return 3

    @step
    def after(moment):
        return moment + 1
    """)
    bench.run()
    assert bench.run().statuses == {"moment": "ran", "after": "reused"}


def test_inputs_are_private_to_each_step(bench: Workbench) -> None:
    bench.pipeline("""
    @step
    def raw():
        return {"a": [1]}

    @step
    def one(raw):
        raw["a"].append(2)
        return len(raw["a"])

    @step
    def two(raw):
        return len(raw["a"])
    """)
    assert bench.run().values["two"] == 1


def test_a_mapped_step_does_only_the_items_that_are_new(bench: Workbench) -> None:
    bench.pipeline(
        NOTE
        + """
@step
def shops(names: list[str] = ["a", "b", "c"]):
    return names

@step(map="shops")
def score(shops, factor: int = 2):
    note(shops)
    return shops * factor

@step(map="depth")
def tree(score, depth=(1, 2)):
    return [depth, len(score)]
"""
    )
    first = bench.run()
    assert first.values["score"] == ["aa", "bb", "cc"]
    assert first.values["tree"] == [[1, 3], [2, 3]]
    assert bench.calls() == ["a", "b", "c"]
    more = bench.run(names="x,a,b,c")
    assert bench.calls() == ["x"]
    assert more.values["score"] == ["xx", "aa", "bb", "cc"]
    assert bench.run(names="x,a,b,c").statuses == {"shops": "reused", "score": "reused", "tree": "reused"}
    assert bench.run(names="").values["score"] == []
    bench.calls()
    assert bench.run(factor="3").values["score"] == ["aaa", "bbb", "ccc"]
    assert bench.calls() == ["a", "b", "c"]


def test_mapping_over_something_else_than_a_list_is_an_error(bench: Workbench) -> None:
    bench.pipeline("""
    @step
    def shops():
        return {"a": 1}

    @step(map="shops")
    def score(shops):
        return shops
    """)
    assert bench.run().failure == "Step score failed: it maps over shops, which must be a list, but is of type dict."


def test_retries_try_again_and_the_last_failure_counts(bench: Workbench) -> None:
    bench.pipeline(
        NOTE
        + """
from pathlib import Path

@step(retries=2)
def flaky(needed: int = 2):
    note("try")
    if len(Path("../calls").read_text().split()) < needed:
        raise ConnectionError("no line")
    return 1
"""
    )
    assert bench.run().values == {"flaky": 1}
    assert bench.calls() == ["try", "try"]
    failed = bench.run(needed=9)
    assert "Step flaky failed: ConnectionError: no line" in failed.failure
    assert bench.calls() == ["try", "try", "try"]


def test_branches_that_take_long_run_side_by_side(bench: Workbench) -> None:
    bench.pipeline("""
    import os
    import time

    @step
    def start():
        return 0.9

    @step
    def left(start):
        time.sleep(start)
        return [os.getpid(), time.time()]

    @step
    def right(start):
        time.sleep(start)
        return [os.getpid(), time.time()]

    @step
    def joined(left, right):
        return left[0] != right[0]
    """)
    first = bench.run()  # nobody knows yet that they take long: the second one is sent away after a moment
    assert first.values["joined"] is True
    assert first.result.is_complete
    bench.edit("pipeline.py", "return 0.9", "return 0.8")
    started = time.monotonic()
    again = bench.run()
    assert again.values["joined"] is True
    left, right = again.values["left"][1], again.values["right"][1]
    assert abs(left - right) < 0.75, "they did not overlap"
    assert time.monotonic() - started < 6


def test_steps_in_processes_see_the_same_project(bench: Workbench) -> None:
    bench.write("helpers.py", "FACTOR = 5\n")
    bench.pipeline("""
    import os
    import helpers

    @step(executor="processes")
    def away(contract, base: int = 2):
        print("from afar")
        return [os.getpid(), base * helpers.FACTOR, contract.project.name, os.getcwd()]

    @step(executor="inline")
    def here(away):
        return os.getpid()
    """)
    ran = bench.run(base="3")
    pid, product, name, folder = ran.values["away"]
    assert pid != ran.values["here"]
    assert (product, name, folder) == (15, "shop", str(bench.root))
    log = ran.result.steps[0].log
    assert log is not None
    assert log.read_text() == "from afar\n"
    bench.edit("helpers.py", "FACTOR = 5", "FACTOR = 6")
    assert bench.run(base="3").ran == ["away", "here"]
    bench.edit("mainspring.toml", 'name = "shop"', 'name = "shops"')
    assert bench.run(base="3").ran == ["away", "here"]


def test_a_timeout_ends_the_step(bench: Workbench) -> None:
    bench.pipeline("""
    import time

    @step(timeout=0.4)
    def slow(seconds: float = 30.0):
        time.sleep(seconds)
        return 1
    """)
    assert bench.run().failure == "Step slow failed: it took longer than its timeout of 0.4 s and was ended."
    assert bench.run(seconds=0).values == {"slow": 1}


def test_every_run_leaves_its_facts(chain: Workbench) -> None:
    chain.pipeline(
        CHAIN
        + """
@step
def logged(size):
    from mainspring.core.recording import recorder
    recorder().log_metric("loss", 0.5)
    trial = recorder().child("trial")
    trial.log_params({"depth": 3})
    trial.finish()
    return size
"""
    )
    first = chain.run(rows=5)
    second = chain.run(rows=5)
    with chain.project.workspace() as workspace:
        ledger = workspace.ledger
        run = ledger.runs.get(first.result.run)
        assert (run.kind, run.name, run.status, run.experiment) == ("pipeline", "shop", "finished", "shop")
        assert run.params == {"rows": 5}
        assert run.provenance.environment is not None
        assert b"python==" in workspace.store.get(run.provenance.environment)
        records = {record.step: record for record in ledger.steps.of_run(run.id)}
        assert set(records) == {"raw", "parity", "total", "size", "logged"}
        assert records["total"].inputs == {"parity": first.result.outputs["parity"].digest}
        assert records["total"].parts["contract columns"]
        lineage = ledger.artifacts.lineage(first.result.outputs["total"].digest)
        assert first.result.outputs["raw"].digest in {artifact.digest for artifact in lineage.artifacts}
        (child,) = ledger.runs.search(RunQuery(parent=run.id)).runs
        assert (child.name, child.kind, child.metrics) == ("logged", "step", {"loss": 0.5})
        trials = ledger.runs.search(RunQuery(parent=child.id)).runs
        assert [(trial.name, trial.params) for trial in trials] == [("trial", {"depth": 3})]
        assert {r.status for r in ledger.steps.of_run(second.result.run)} == {"reused"}
        assert ledger.runs.get(second.result.run).status == "finished"


def test_the_engine_can_be_used_without_a_workspace_of_ones_own(chain: Workbench) -> None:
    result = engine.run(chain.project)
    assert result.value("size") == 4
    with pytest.raises(NotFound, match="Did you mean size"):
        result.value("sizes")
    result.workspace.close()


def test_projects_that_share_a_workspace_do_not_mix_their_steps(bench: Workbench) -> None:
    others = []
    for name in ("north", "south"):
        other = Workbench(bench.root.parent / name)
        other.edit("mainspring.toml", 'name = "shop"', f'name = "{name}"\nworkspace = "../both"')
        other.write("table.csv", name)
        other.pipeline("""
        @step
        def raw():
            with open("table.csv") as file:
                return file.read()
        """)
        others.append(other)
    for _ in range(8):
        assert [other.run().values["raw"] for other in others] == ["north", "south"]
    others[0].edit("pipeline.py", "return file.read()", "return file.read() + '!'")
    with others[0].project.workspace() as workspace:
        found = why(others[0].project, "raw", workspace=workspace)
    assert [change.part for change in found.changes] == ["source"]
    assert (others[0].run().ran, others[1].run().ran) == (["raw"], [])
