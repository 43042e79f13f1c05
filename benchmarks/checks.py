"""22 rules on 1,000,000 rows x 50 columns, beside one hand-written Polars pass, Pandera and Great Expectations.

    python benchmarks/checks.py [--rows 1000000] [--peers DIR]

Ours is timed from the frame in memory to the bad rows in a Parquet file with their reasons. The hand-written pass only
counts the failures of the same 22 rules in one ``select``. Peers run in environments of their own under DIR, made
there where missing, each on the same table; one that does not install is left out. Every contender must find the
planted failures, or the run stops. Times are the best of several rounds; look at the ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

LEVELS = ["aa", "bb", "cc", "dd"]
RANGED = [f"f{place}" for place in range(5)]
FILLED = [f"i{place}" for place in range(1, 5)]
LISTED = [f"s{place}" for place in range(3)]
PATTERN = "[a-d]{2}"
EVERY = {"f1": 5_000, "s1": 9_000, "i2": 20_000}
"""One row in so many is made bad in these columns."""
PEERS = {"pandera": ["pandera[polars]"], "great_expectations": ["great_expectations", "pyarrow"]}
ROUNDS = 5


def table(rows: int) -> pl.DataFrame:
    """35 numbers, 10 integers, 5 texts; a few bad cells in three columns."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {f"f{place}": draw.normal(size=rows) for place in range(35)}
    columns |= {"i0": np.arange(rows)} | {f"i{place}": draw.integers(0, 1000, rows) for place in range(1, 10)}
    columns |= {f"s{place}": draw.choice(LEVELS, rows) for place in range(5)}
    bad = {"f1": pl.lit(99.0), "s1": pl.lit("zz"), "i2": pl.lit(-1)}
    row = pl.int_range(pl.len())
    return pl.DataFrame(columns).with_columns(
        pl.when(row % EVERY[name] == 7).then(value).otherwise(pl.col(name)).alias(name) for name, value in bad.items()
    )


def planted(rows: int) -> int:
    return sum(len(range(7, rows, every)) for every in EVERY.values())


def by_hand(frame: pl.DataFrame) -> int:
    """The rules as a person would write them: failures counted in one select."""
    import polars as pl

    c = pl.col
    counts = frame.select(
        *((c(name) < -10).sum().alias(f"{name} low") for name in RANGED),
        *((c(name) > 10).sum().alias(f"{name} high") for name in RANGED),
        *(c(name).is_null().sum().alias(f"{name} null") for name in FILLED),
        *((c(name) < 0).sum().alias(f"{name} negative") for name in FILLED[:2]),
        *((~c(name).is_in(LEVELS)).sum().alias(f"{name} listed") for name in LISTED),
        (~c("s4").str.contains(f"^(?:{PATTERN})$")).sum(),
        c("f9").is_null().sum(),
        c("i0").is_duplicated().sum(),
    )
    return int(sum(counts.row(0)))


def contract() -> Any:
    from mainspring.contract import Column, Contract, ProjectSection

    columns = [
        *(Column(name=name, type="number", minimum=-10.0, maximum=10.0) for name in RANGED),
        *(Column(name=name, type="integer", nullable=False, minimum=0) for name in FILLED[:2]),
        *(Column(name=name, type="integer", nullable=False) for name in FILLED[2:]),
        *(Column(name=name, type="category", categories=tuple(LEVELS)) for name in LISTED),
        Column(name="s4", type="text", pattern=PATTERN),
        Column(name="f9", type="number", nullable=False),
        Column(name="i0", type="integer", unique=True),
    ]
    section = ProjectSection(name="bench", task="binary", target="y")
    return Contract(project=section, columns={column.name: column for column in columns})


def ours(frame: pl.DataFrame, declared: Any, aside: Path) -> int:
    from mainspring.data.check import check
    from mainspring.data.write import write

    found = check(frame, declared)
    write(found.quarantine, aside)
    counted = [rule for rule in found.rules if rule.rule not in ("type", "finite", "extra column")]
    assert len(counted) == 22, len(counted)
    return sum(rule.failed for rule in counted)


def pandera(frame: pl.DataFrame) -> int:
    import pandera.polars as pa

    columns = {name: pa.Column(float, pa.Check.in_range(-10, 10)) for name in RANGED}
    columns |= {name: pa.Column(int, pa.Check.ge(0), nullable=False) for name in FILLED[:2]}
    columns |= {name: pa.Column(int, nullable=False) for name in FILLED[2:]}
    columns |= {name: pa.Column(str, pa.Check.isin(LEVELS)) for name in LISTED}
    columns |= {"s4": pa.Column(str, pa.Check.str_matches(f"^(?:{PATTERN})$"))}
    columns |= {"f9": pa.Column(float, nullable=False), "i0": pa.Column(int, unique=True)}
    try:
        pa.DataFrameSchema(columns).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as found:
        return int(found.failure_cases.height)
    return 0


def great_expectations(frame: Any) -> int:
    import great_expectations as gx
    from great_expectations import expectations as gxe

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("p")
        .add_dataframe_asset("a")
        .add_batch_definition_whole_dataframe("b")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name="s")
    rules = [
        *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=-10, max_value=10) for name in RANGED),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in FILLED),
        *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in FILLED[:2]),
        *(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=LEVELS) for name in LISTED),
        gxe.ExpectColumnValuesToMatchRegex(column="s4", regex=f"^(?:{PATTERN})$"),
        gxe.ExpectColumnValuesToNotBeNull(column="f9"),
        gxe.ExpectColumnValuesToBeUnique(column="i0"),
    ]
    for rule in rules:
        suite.add_expectation(rule)
    found = batch.validate(suite)
    return int(sum(result.result.get("unexpected_count", 0) for result in found.results))


def best(call: Callable[[], int], expected: int, rounds: int = ROUNDS) -> float:
    """The shortest of several rounds, in seconds, after one to warm up."""
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        found = call()
        taken.append(time.perf_counter() - start)
        assert found == expected, f"found {found} failures, {expected} were planted"
    return min(taken[1:])


def as_peer(name: str, file: Path, expected: int) -> None:
    """Run one peer here, in its own environment, and print its time."""
    if name == "pandera":
        import polars as pl

        frame = pl.read_parquet(file)
        seconds = best(lambda: pandera(frame), expected)
    else:
        import pandas as pd

        table_ = pd.read_parquet(file)
        seconds = best(lambda: great_expectations(table_), expected, rounds=2)
    print(json.dumps({"seconds": seconds}))


def peer(name: str, folder: Path, file: Path, expected: int) -> float | None:
    """The peer's seconds, None where it does not install or does not run."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        installed = subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[name]], check=False)
        if installed.returncode:
            return None
    command = [python, __file__, "--as", name, "--file", file, "--expected", str(expected)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--peers", type=Path, help="folder for the peers' environments; without it they are left out")
    asked.add_argument("--as", dest="name", choices=PEERS, help=argparse.SUPPRESS)
    asked.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--expected", type=int, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.name:
        as_peer(given.name, given.file, given.expected)
        return
    frame, declared, expected = table(given.rows), contract(), planted(given.rows)
    with tempfile.TemporaryDirectory() as folder:
        aside, file = Path(folder) / "aside.parquet", Path(folder) / "table.parquet"
        hand = best(lambda: by_hand(frame), expected)
        mine = best(lambda: ours(frame, declared, aside), expected)
        print(f"{given.rows:,} x {frame.width}, 22 rules, {expected:,} bad rows planted")
        print(f"  hand-written pass     {hand:8.3f} s")
        print(f"  mainspring            {mine:8.3f} s   {mine / hand:6.2f} x by hand (goal 3), rows put aside")
        if given.peers is None:
            return
        frame.write_parquet(file)
        for name in PEERS:
            seconds = peer(name, given.peers, file, expected)
            told = "left out" if seconds is None else f"{seconds:8.3f} s   {seconds / mine:6.1f} x mainspring"
            print(f"  {name:20}  {told}")


if __name__ == "__main__":
    main()
