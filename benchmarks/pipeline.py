"""A chain of trivial steps, cold and unchanged, from the shell: Mainspring beside tools that keep what steps return.

    python benchmarks/pipeline.py                       # ours
    python benchmarks/pipeline.py --peers .peers        # and each peer, in an environment of its own made there

Each step adds one to the number it is given. Every tool keeps each step's value on the disk in its usual local way, and
reuses it in an unchanged run where it can. Two figures each, from the wall clock of whole commands:

* a step, cold: what a chain of thirty-one costs more than a chain of one, by thirty. Starting the tool, its server or
  its database is not in it.
* unchanged: the whole command, run again on ten steps when nothing has changed.

The least of several rounds counts, taken turn by turn. A peer that does not install or run is left out with the reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
SHORT, LONG, USUAL = 1, 31, 10
PATIENCE = 300
GOAL_STEP_MS, GOAL_UNCHANGED_S, GOAL_RATIO = 3.0, 0.5, 10.0


@dataclass(frozen=True)
class Tool:
    """How to install a tool, write a chain of steps for it, and run it.

    ``write`` is given the folder to write into, the number of steps and the folder of the tool's programs. ``reuses``:
    whether unchanged steps are reused.
    """

    name: str
    packages: tuple[str, ...]
    write: Callable[[Path, int, Path], None]
    command: tuple[str, ...]
    reuses: bool = True


def chain(count: int, mark: str, first: str = "return 0") -> str:
    """*count* functions, each taking the one before it; *mark* decorates each."""
    lines = [f"{mark}\ndef s0():\n    {first}\n"]
    lines += [f"{mark}\ndef s{i}(s{i - 1}):\n    return s{i - 1} + 1\n" for i in range(1, count)]
    return "\n\n".join(lines)


def calls(count: int) -> str:
    """The calls that make a chain, for the body of a flow."""
    return "\n".join(["    v = s0()", *(f"    v = s{i}(v)" for i in range(1, count))])


def mainspring(folder: Path, count: int, _: Path) -> None:
    """A project of ours."""
    (folder / "mainspring.toml").write_text('[project]\nname = "chain"\ntask = "binary"\ntarget = "y"\n')
    (folder / "pipeline.py").write_text(f"from mainspring import step\n\n\n{chain(count, '@step')}")


def prefect(folder: Path, count: int, _: Path) -> None:
    """Tasks with persisted results, reused by inputs and source."""
    (folder / "flow.py").write_text(
        "from prefect import flow, task\nfrom prefect.cache_policies import INPUTS, TASK_SOURCE\n\n"
        + chain(count, "@task(persist_result=True, cache_policy=INPUTS + TASK_SOURCE)")
        + f"\n\n@flow\ndef whole():\n{calls(count)}\n    return v\n\n\nif __name__ == '__main__':\n    whole()\n"
    )


def dagster(folder: Path, count: int, _: Path) -> None:
    """Assets on the local file system, materialised in one process; a second time they are all made again."""
    (folder / "flow.py").write_text(
        "import os\nfrom dagster import DagsterInstance, FilesystemIOManager, asset, materialize\n\n"
        + chain(count, "@asset")
        + "\n\nif __name__ == '__main__':\n"
        + "    os.makedirs('home', exist_ok=True)\n    os.environ['DAGSTER_HOME'] = os.path.abspath('home')\n"
        + f"    assets = [{', '.join(f's{i}' for i in range(count))}]\n"
        + "    with DagsterInstance.get() as instance:\n"
        + "        done = materialize(assets, instance=instance,\n"
        + "            resources={'io_manager': FilesystemIOManager(base_dir='values')})\n    assert done.success\n"
    )


def kedro(folder: Path, count: int, _: Path) -> None:
    """Nodes with pickled data sets; a second time they are all run again."""
    nodes = ["node(s0, None, 's0')", *(f"node(s{i}, 's{i - 1}', 's{i}')" for i in range(1, count))]
    (folder / "flow.py").write_text(
        "from kedro.io import DataCatalog\nfrom kedro.pipeline import node, pipeline\n"
        "from kedro.runner import SequentialRunner\nfrom kedro_datasets.pickle import PickleDataset\n\n"
        + chain(count, "")
        + "\n\nif __name__ == '__main__':\n"
        + f"    kept = {{f's{{i}}': PickleDataset(filepath=f'values/s{{i}}.pkl') for i in range({count})}}\n"
        + f"    SequentialRunner().run(pipeline([{', '.join(nodes)}]), DataCatalog(kept))\n"
    )


def metaflow(folder: Path, count: int, _: Path) -> None:
    """Steps as Metaflow has them, each a process of its own; a second run runs them all again."""
    steps = ["    @step\n    def start(self):\n        self.v = 0\n        self.next(self.s1)\n"]
    steps += [
        f"    @step\n    def s{i}(self):\n        self.v += 1\n        self.next(self.s{i + 1})\n"
        for i in range(1, count)
    ]
    steps.append(f"    @step\n    def s{count}(self):\n        self.next(self.end)\n")
    steps.append("    @step\n    def end(self):\n        pass\n")
    (folder / "flow.py").write_text(
        "from metaflow import FlowSpec, step\n\n\nclass Chain(FlowSpec):\n"
        + "\n".join(steps)
        + "\n\nif __name__ == '__main__':\n    Chain()\n"
    )


def zenml(folder: Path, count: int, _: Path) -> None:
    """Steps with caching on the local stack."""
    typed = (
        chain(count, "@step").replace("():", "() -> int:").replace("):\n    return s", ": int) -> int:\n    return s")
    )
    (folder / "flow.py").write_text(
        f"from zenml import pipeline, step\n\n{typed}"
        f"\n\n@pipeline(enable_cache=True)\ndef whole():\n{calls(count)}\n\n\nif __name__ == '__main__':\n    whole()\n"
    )


def dvc(folder: Path, count: int, place: Path) -> None:
    """Stages that each read one file and write the next."""
    add = "import sys; v = int(open(sys.argv[1]).read()) + 1; open(sys.argv[2], 'w').write(str(v))"
    (folder / "add.py").write_text(add)
    (folder / "v0").write_text("0")
    stages = [
        f"  s{i}:\n    cmd: {sys.executable} add.py v{i - 1} v{i}\n    deps: [add.py, v{i - 1}]\n    outs: [v{i}]\n"
        for i in range(1, count + 1)
    ]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    subprocess.run([place / "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True, env=_environment(folder))


OURS = Tool("mainspring", (), mainspring, (sys.executable, "-m", "mainspring", "run", "--json"))
PEERS = (
    # the newest FastAPI refuses an argument that Prefect still gives it
    Tool("prefect", ("prefect", "fastapi<0.140"), prefect, ("{python}", "flow.py")),
    Tool("dagster", ("dagster",), dagster, ("{python}", "flow.py"), reuses=False),
    Tool("kedro", ("kedro", "kedro-datasets[pickle]"), kedro, ("{python}", "flow.py"), reuses=False),
    Tool("metaflow", ("metaflow", "setuptools<81"), metaflow, ("{python}", "flow.py", "--quiet", "run"), reuses=False),
    Tool("zenml", ("zenml[server]",), zenml, ("{python}", "flow.py")),
    Tool("dvc", ("dvc",), dvc, ("{bin}/dvc", "repro", "-q")),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", type=Path, help="measure peers too, in environments under this folder")
    parser.add_argument("--only", nargs="*", help="only these peers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    tools = {OURS: Path()}
    for peer in PEERS if chosen.peers else ():
        if not chosen.only or peer.name in chosen.only:
            home = chosen.peers.resolve() / peer.name
            reason = _missing(peer, home)
            if reason:
                print(f"{peer.name}: left out, {reason}", flush=True)
            else:
                tools[peer] = _programs(home)
    every = {tool.name: _measured(tool, place, chosen.rounds) for tool, place in tools.items()}
    found = {name: figures for name, figures in every.items() if figures is not None}
    _print(found, {tool.name: tool.reuses for tool in tools})


def _measured(tool: Tool, place: Path, rounds: int) -> tuple[float, float] | None:
    """Milliseconds a step, cold, and seconds of an unchanged run."""
    short, long, unchanged = [], [], []
    try:
        for _ in range(rounds):
            short.append(_cold(tool, place, SHORT)[0])
            long.append(_cold(tool, place, LONG)[0])
            unchanged.append(_cold(tool, place, USUAL, again=True)[1])
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        print(f"{tool.name}: left out, it does not run: {said[-1] if said else error}", flush=True)
        return None
    return (min(long) - min(short)) / (LONG - SHORT) * 1000, min(unchanged)


def _cold(tool: Tool, place: Path, count: int, *, again: bool = False) -> tuple[float, float]:
    """Seconds of a first run in a fresh folder and, with *again*, of a second one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        tool.write(folder, count, place)
        first = _timed(tool, place, folder)
        return first, _timed(tool, place, folder) if again else 0.0


def _timed(tool: Tool, place: Path, folder: Path) -> float:
    command = [part.format(python=place / "python", bin=place) for part in tool.command]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE, env=_environment(folder))
    return time.perf_counter() - started


def _environment(folder: Path) -> dict[str, str]:
    """Every tool keeps its state in the folder and reports to nobody."""
    return os.environ | {
        "PREFECT_HOME": str(folder / ".prefect"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_USER": "someone",
        "ZENML_CONFIG_PATH": str(folder / ".zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc-site"),
    }


def _programs(home: Path) -> Path:
    return home / ("Scripts" if sys.platform == "win32" else "bin")


def _missing(tool: Tool, home: Path) -> str:
    """Install the tool where it is missing; the reason where that fails."""
    done = home / "installed"
    if done.exists():
        return ""
    venv.create(home, with_pip=True, clear=True)
    command = [str(_programs(home) / "python"), "-m", "pip", "install", "-q", *tool.packages]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(home, ignore_errors=True)
        lines = [line for line in result.stderr.splitlines() if "ERROR" in line]
        return f"it does not install: {lines[-1] if lines else 'no reason given'}"
    done.touch()
    return ""


def _print(found: dict[str, tuple[float, float]], reuses: dict[str, bool]) -> None:
    if OURS.name not in found:
        sys.exit("mainspring itself does not run")
    ours = found[OURS.name]
    print(f"{'':<12}{'a step, cold':>16}{'':>9}{'unchanged':>14}")
    for name, (step, unchanged) in sorted(found.items(), key=lambda one: one[1][0]):
        ratios = f"{step / ours[0]:>7.1f} x", f"{unchanged / ours[1]:>7.1f} x"
        note = "" if reuses[name] else "  (runs everything again)"
        print(f"{name:<12}{step:>13.2f} ms{ratios[0]}{unchanged:>12.2f} s{ratios[1]}{note}")
    print(f"goals for ours: a step {GOAL_STEP_MS:g} ms, unchanged {GOAL_UNCHANGED_S:g} s, peers {GOAL_RATIO:g} x")


if __name__ == "__main__":
    main()
