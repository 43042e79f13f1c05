"""The tables made at once are the tables made by the migrations; old ledgers come along, newer ones are refused."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mainspring.core.errors import LedgerError, Refused
from mainspring.ledger import open_ledger
from mainspring.ledger.sql.engine import file_engine
from mainspring.ledger.sql.migrate import REVISIONS, SCRIPTS, VERSION_TABLE, prepare
from mainspring.ledger.sql.session import Session

OLD = Path(__file__).parent / "data"
"""Ledgers as the code of their time wrote them, one of each revision before the last."""
HOUR = timedelta(hours=1)
THIRD = datetime(2026, 3, 1, 14, 59, tzinfo=UTC)
"""When the third segment of the second ledger ends."""

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{last}"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("runs", sa.Column("colour", sa.Text()))
    op.execute("UPDATE runs SET colour = 'red'")
    {then}
"""


def tables(path: Path) -> set[tuple[str, str]]:
    """Every table and index with its definition, without the spaces that differ."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(name, "".join(sql.split()).replace('"', "").replace("''", "")) for name, sql in rows}


def migrated(path: Path, scripts: Path = SCRIPTS, revisions: tuple[str, ...] = REVISIONS) -> None:
    session = Session(file_engine(path), shared_connection=False, where=str(path))
    try:
        prepare(session, path=path, location=scripts, revisions=revisions)
    finally:
        session.close()


def later_scripts(folder: Path, *, then: str = "") -> tuple[Path, tuple[str, ...]]:
    """The real migrations and one more after them."""
    scripts = folder / "scripts with a space"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "next.py").write_text(SECOND.format(last=REVISIONS[-1], then=then))
    return scripts, (*REVISIONS, "next")


def test_the_migrations_make_the_same_tables_as_a_new_ledger(tmp_path: Path) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    open_ledger(new).close()
    migrated_by_alembic(old)
    wanted, got = tables(new), tables(old)
    assert {name for name, _ in wanted} == {name for name, _ in got}
    for name, sql in wanted:
        if name != VERSION_TABLE:
            assert _columns(old, name) == _columns(new, name), sql


def migrated_by_alembic(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    engine = file_engine(path)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["version_table"] = VERSION_TABLE
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _columns(path: Path, name: str) -> list[object]:
    """What SQLite says of a table or an index: columns, types, keys, order, foreign keys."""
    with closing(sqlite3.connect(path)) as connection:
        questions = ("table_xinfo", "index_xinfo", "foreign_key_list", "index_list")
        found: list[object] = []
        for question in questions:
            rows = connection.execute(f"PRAGMA {question}({name})").fetchall()
            listed = question in {
                "foreign_key_list",
                "index_list",
            }  # these begin with a number that is only their order
            found.append(sorted(str(row[1:]) for row in rows) if listed else rows)
        rowid = connection.execute("SELECT sql LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE name = ?", (name,))
        return [*found, rowid.fetchone()]


def test_the_code_knows_every_migration() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(SCRIPTS))
    walked = [each.revision for each in script.walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS
    assert script.get_heads() == [REVISIONS[-1]]


def test_an_old_ledger_is_upgraded_and_a_copy_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        run = ledger.runs.create(name="old", params={"a": 1})
    scripts, revisions = later_scripts(tmp_path)
    migrated(path, scripts, revisions)
    migrated(path, scripts, revisions)  # a second time finds the work done
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT uid, colour FROM runs").fetchall() == [(run.id, "red")]
        assert connection.execute("SELECT version_num FROM mainspring_version").fetchall() == [("next",)]
    copy = tmp_path / f"ledger.db.before-upgrade-from-{REVISIONS[-1]}"
    with open_ledger(copy) as ledger:
        assert dict(ledger.runs.get(run.id).params) == {"a": 1}


def old_ledger(path: Path, revision: str) -> Path:
    """A ledger as it was left by the code of that revision."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((OLD / f"ledger-{revision}.sql").read_text(encoding="utf-8"))
    return path


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_old_ledger_gets_the_tables_of_a_new_one(tmp_path: Path, revision: str) -> None:
    old, new = old_ledger(tmp_path / "old.db", revision), tmp_path / "new.db"
    open_ledger(old).close()
    open_ledger(new).close()
    names = {name for name, _ in tables(new)}
    assert {name for name, _ in tables(old)} == names
    for name in names - {VERSION_TABLE}:
        assert _columns(old, name) == _columns(new, name), name
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_facts_of_the_first_ledgers_are_all_there(tmp_path: Path) -> None:
    """Incidents as grave as their kinds, the trail whole, the champion live; and everything takes new facts."""
    path = old_ledger(tmp_path / "ledger.db", "0001")
    with open_ledger(path, actor="bob") as ledger:
        found = {each.kind: each for each in ledger.incidents.search()}
        grave = {kind: each.severity for kind, each in found.items()}
        assert grave == {"drift": "info", "performance": "warning", "data quality": "warning", "service": "critical"}
        drift = ledger.incidents.get(found["drift"].id)
        assert (drift.summary, drift.owner, drift.action) == ("income moved — “1 000×”", "bob", "roll back")
        assert [event.kind for event in drift.events] == ["opened", "signal"]
        assert (drift.acknowledged, drift.muted_until, dict(drift.details)) == (None, None, {"window": 3})
        assert found["performance"].closed == datetime(2026, 3, 3, 13, 5, tzinfo=UTC)
        with pytest.raises(Refused, match="was closed at 2026-03-03 13:05"):
            ledger.incidents.acknowledge(found["performance"].id)
        assert ledger.incidents.acknowledge(drift.id).events[-1].actor == "bob"

        live = ledger.endpoints.live("churn")
        assert (live.champion, live.traffic) == (1, None)
        rule = ledger.endpoints.set("churn", canary=2, percent=5)
        assert ledger.endpoints.live("churn").traffic == rule
        assert ledger.endpoints.live("churn").revision > live.revision
        assert [(each.after, each.back) for each in ledger.models.transitions("churn")] == [
            (1, False), (2, False), (1, True),
        ]  # fmt: skip
        assert ledger.models.get("churn", 2).metrics["roc_auc"].value == 0.81

        assert ledger.runs.history("6a" * 16, "loss").values == (0.7, 0.4)
        assert dict(ledger.runs.get("5f5f5f").params) == {"trials": 30, "note": None}
        assert ledger.artifacts.live() == {"m" * 8, "t" * 8, "b1", "b2"}
        assert ledger.audit.verify(head="9cbc5534e774cd80c6e017267a33946f299b17d7bdfc0676073e4d366eedc561") is None
        assert ledger.audit.entries(after=12)[0].action == "incident.acknowledge"
    copy = tmp_path / "ledger.db.before-upgrade-from-0001"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM incidents").fetchone() == (4,)
        assert connection.execute("SELECT version_num FROM mainspring_version").fetchone() == ("0001",)


def test_the_facts_of_the_second_ledgers_are_all_there(tmp_path: Path) -> None:
    """What was replaced or deleted is still gone, and is not added again."""
    with open_ledger(old_ledger(tmp_path / "ledger.db", "0002")) as ledger:
        found = ledger.segments.search(model="churn")
        assert [(each.id, each.digest) for each in found] == [(4, "d3"), (5, "l0"), (6, "c0")]
        ledger.segments.add(replace(found[0], sequence=2, digest="d2", start=found[0].start - HOUR, end=THIRD))
        assert ledger.segments.search(model="churn") == found
        assert ledger.segments.search(model="churn", after=4) == found[1:]
        assert ledger.states.put("watch", "churn", {}).revision == 2
        assert ledger.incidents.get(1).events[-1].text == "looking"
        assert ledger.audit.verify() is None


def test_the_rollbacks_of_the_third_ledgers_are_told_from_promotions(tmp_path: Path) -> None:
    with open_ledger(old_ledger(tmp_path / "ledger.db", "0003")) as ledger:
        moved = [(each.name, each.after) for each in ledger.models.transitions("churn") if each.back]
        moved += [(each.name, each.after) for each in ledger.models.transitions("fraud") if each.back]
        assert moved == [("churn", 2), ("fraud", 1)]
        assert len(ledger.models.transitions("churn")) == 6
        assert ledger.models.set_alias("fraud", "champion", 2).before is None
        assert ledger.audit.verify() is None


def test_several_processes_upgrade_one_ledger(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "ledger.db", "0001")
    code = "import sys; from mainspring.ledger import open_ledger as o; o(sys.argv[1]).states.put('k', sys.argv[2], 1)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], stderr=subprocess.PIPE)
        for number in range(3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    with open_ledger(path) as ledger:
        assert len(ledger.states.search("k")) == 3
        assert len(ledger.incidents.search()) == 4


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        ledger.runs.create(name="old")
    before = tables(path)
    scripts, revisions = later_scripts(tmp_path, then='raise ValueError("half way")')
    with pytest.raises(ValueError, match="half way"):
        migrated(path, scripts, revisions)
    assert tables(path) == before
    with open_ledger(path) as ledger:
        assert dict(ledger.runs.experiments()) == {"default": 1}


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    scripts, revisions = later_scripts(tmp_path)
    migrated(path, scripts, revisions)
    with pytest.raises(
        LedgerError,
        match=rf"was written by a newer Mainspring \(its tables are at revision next, .*knows .*{REVISIONS[-1]}",
    ):
        open_ledger(path)


def test_an_unknown_old_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE mainspring_version SET version_num = '0000'")
        connection.commit()
    with pytest.raises(
        LedgerError,
        match=r"is of an unknown version \(its tables are at revision 0000, .* knows 0001, 0002, 0003, 0004\)",
    ):
        open_ledger(path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()
    with pytest.raises(LedgerError, match=r"is a database of something else \(it has the table 'recipes'\)"):
        open_ledger(path)
    assert {name for name, _ in tables(path)} == {"recipes"}


def test_several_processes_make_one_new_ledger(tmp_path: Path) -> None:
    code = "import sys; from mainspring.ledger import open_ledger; open_ledger(sys.argv[1]).runs.create(name='x')"
    path = tmp_path / "ledger.db"
    started = [subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)


def test_opening_an_up_to_date_ledger_does_not_load_alembic(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    code = "import sys; from mainspring.ledger import open_ledger; open_ledger(sys.argv[1]); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert not {"alembic", "polars", "numpy", "obstore"}.intersection(loaded.stdout.split())
