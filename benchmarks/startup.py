"""The CPU time of ``import mainspring`` and of ``mainspring --help``, as ratios to ``import httpx``.

    python benchmarks/startup.py [--peers DIR]

httpx is used where it is installed, else in an environment of its own under DIR, made there where missing. Each is
started many times, turn by turn; the least CPU time of each counts, because noise only ever adds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROUNDS = 15
LIMITS = {"import mainspring": 2.0, "mainspring --help": 3.0}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    yardstick = [str(_httpx(parser.parse_args().peers)), "-c", "import httpx"]
    commands = {
        "import httpx": yardstick,
        "import mainspring": [sys.executable, "-c", "import mainspring"],
        "mainspring --help": [sys.executable, "-m", "mainspring", "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(ROUNDS):
        for name, command in commands.items():
            least[name] = min(least[name], _cpu_seconds(command))
    for name, seconds in least.items():
        ratio = seconds / least["import httpx"]
        goal = f"  (goal: at most {LIMITS[name]:g})" if name in LIMITS else ""
        print(f"{name:<20} {seconds * 1000:6.0f} ms CPU  {ratio:5.2f} x import httpx{goal}")


def _cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _httpx(peers: Path) -> Path:
    """An interpreter that has httpx."""
    if find_spec("httpx"):
        return Path(sys.executable)
    folder = peers / "httpx"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "httpx"], check=True)
    return python


if __name__ == "__main__":
    main()
