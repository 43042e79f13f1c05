"""Bringing a database to the tables this code knows. Alembic is loaded only where something has to be changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import LedgerError, listed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mainspring.ledger.sql.session import Session

VERSION_TABLE = "mainspring_version"
"""A name of its own, so that another program's Alembic in a shared database is left alone."""
REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision, oldest first. A test holds this against the files in ``ledger/migrations/versions``."""
SCRIPTS = Path(__file__).parent.parent / "migrations"


def prepare(
    session: Session, *, path: Path | None, location: Path = SCRIPTS, revisions: tuple[str, ...] = REVISIONS
) -> None:
    """Make the tables of a new database, or migrate an old one.

    Several processes may do so at once: the first holds the write lock, the others find the work done. Raises
    LedgerError where the database was written by a newer Mainspring, or is not one of ours.
    """
    if session.read(_revision) == revisions[-1]:
        return
    with session.together():
        session.write(lambda connection: _bring_up(connection, path, location, revisions))


def _bring_up(connection: Connection, path: Path | None, location: Path, revisions: tuple[str, ...]) -> None:
    where = str(path or "in memory")
    found = _revision(connection)  # once more, now that nobody else writes
    if found == revisions[-1]:
        return
    if found is None:
        strangers = _tables(connection)
        if strangers:
            raise LedgerError(
                f"{where} is a database of something else (it has the table {strangers[0]!r}). Choose "
                "another workspace."
            )
        _create(connection, revisions[-1])
        return
    if found not in revisions:
        known = f"its tables are at revision {found}, this one knows {listed(revisions)}"
        if found < revisions[0]:
            raise LedgerError(f"The workspace {where} is of an unknown version ({known}). Use another workspace.")
        raise LedgerError(
            f"The workspace {where} was written by a newer Mainspring ({known}). "
            "Upgrade with `pip install --upgrade mainspring`, or use another workspace."
        )
    if path is not None:
        _keep_copy(path, found)
    _upgrade(connection, location)


def _keep_copy(path: Path, revision: str) -> Path:
    """A copy of the database beside it, as it was before the upgrade."""
    copy = path.with_name(f"{path.name}.before-upgrade-from-{revision}")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise LedgerError(
            f"The workspace {path} is of an older Mainspring and must be upgraded, but no copy could be made first "
            f"({error}). Free some space and try again."
        ) from error
    return copy


def _create(connection: Connection, revision: str) -> None:
    """All tables at once. A test holds the result against the migrations run one by one."""
    from mainspring.ledger.sql.schema import metadata  # only a new database needs the definitions

    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES (?)", (revision,))  # a constant


def _upgrade(connection: Connection, location: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if VERSION_TABLE not in _tables(connection):
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()  # a constant
    return None if row is None else str(row[0])


def _tables(connection: Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [str(row[0]) for row in connection.exec_driver_sql(query)]
