"""Installed distributions, read from the names of their folders: a version costs no parsing and no import."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

_SUFFIX = ".dist-info"


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution and the folder that describes it."""

    name: str
    version: str
    folder: Path


class Installed:
    """The distributions that the given import path offers; the first of a name wins, as it does for imports."""

    def __init__(self, path: tuple[str, ...]) -> None:
        """Look through the folders of *path* (``sys.path``)."""
        self.folders: list[str] = []
        self.distributions: dict[str, Distribution] = {}
        self._providers: dict[str, Distribution | None] = {}
        for entry in path:
            found = list(_described(entry))
            if found:
                self.folders.append(os.path.realpath(entry) + os.sep)
            for distribution in found:
                self.distributions.setdefault(normalised(distribution.name), distribution)

    def provider(self, module: str) -> Distribution | None:
        """The distribution that brings the top-level *module*; None where no distribution says so."""
        direct = self.distributions.get(normalised(module))
        if direct is not None:
            return direct
        if module not in self._providers:
            signs = (f"\n{module}/__init__.".encode(), f"\n{module}.".encode(), f"\n{module}/".encode())
            by_sign = (one for sign in signs for record, one in self._records if sign in record)
            self._providers[module] = next(by_sign, None)
        return self._providers[module]

    def version(self, name: str) -> str | None:
        """The installed version of the distribution *name*."""
        found = self.distributions.get(normalised(name))
        return found.version if found else None

    def lock(self) -> list[str]:
        """Every distribution as ``name==version``, sorted."""
        return sorted(f"{one.name}=={one.version}" for one in self.distributions.values())

    def is_installed(self, file: str) -> bool:
        """Whether *file* lies in a folder that distributions are installed into."""
        return any(file.startswith(folder) for folder in self.folders)

    @cached_property
    def _records(self) -> list[tuple[bytes, Distribution]]:
        """Every distribution with its list of files, for import names that are not its own (``sklearn``)."""
        return [(_record(one.folder), one) for one in self.distributions.values()]


def installed() -> Installed:
    """What the interpreter's import path offers now."""
    return _installed(tuple(sys.path), tuple(_touched(entry) for entry in sys.path))


def normalised(name: str) -> str:
    """The distribution's name as comparisons want it.

    >>> normalised("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...], _touched: tuple[int, ...]) -> Installed:
    return Installed(path)


def _touched(entry: str) -> int:
    try:
        return os.stat(entry or ".").st_mtime_ns  # noqa: PTH116  # asked for every entry of sys.path, on every call
    except OSError:
        return 0


def _described(entry: str) -> list[Distribution]:
    try:
        names = os.listdir(entry or ".")  # noqa: PTH208  # three times as quick, and this is on every start
    except OSError:
        return []
    found = []
    for folder in names:
        if folder.endswith(_SUFFIX):
            name, _, version = folder.removesuffix(_SUFFIX).partition("-")
            found.append(Distribution(name, version, Path(entry or ".", folder)))
    return found


def _record(folder: Path) -> bytes:
    try:
        return b"\n" + (folder / "RECORD").read_bytes()
    except OSError:
        return b""
