"""How a model version is named: ``churn``, ``churn@champion``, ``churn/3``, ``models:/churn@champion``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mainspring.core.errors import InputError, quote

CHAMPION = "champion"
_FORM = re.compile(r"(?:models:/)?(?P<name>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[\w.-]+))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """A model with a version or an alias; with neither, its champion is meant."""

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        """The reference as it is written."""
        if self.version is not None:
            return f"{self.name}/{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name


def parse_reference(text: str) -> Reference:
    """Read a reference. Raises InputError with the accepted forms.

    >>> parse_reference("models:/churn@challenger")
    Reference(name='churn', version=None, alias='challenger')
    >>> parse_reference("churn/3").version
    3
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"Expected a model such as churn, churn/3, churn@challenger or models:/churn@champion, got {quote(text)}."
        )
    version = match["version"]
    return Reference(match["name"], int(version) if version else None, match["alias"])
