"""A step's fingerprint: the named parts that decide what it returns, and the key that stands for them.

A fingerprint has two halves. What a step *is* (code, libraries, parameters, inputs) is known before it runs. What it
*looks at* (files, sections of the contract) is seen while it runs, kept with its result, and held against the present
when the result is looked up again. See :mod:`mainspring.flow.witness`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.digest import digest_text
from mainspring.flow.plain import NotPlain, canonical, texts_in
from mainspring.flow.reach import Code, code_of, value_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.flow.graph import Node
    from mainspring.flow.source import Sources

FORM = "mainspring fingerprint 1"
"""Changes whenever the same facts would give another key."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Fingerprint:
    """Named parts of what decides a step's value.

    ``texts`` are the texts that its code and parameters hold, any of which may name a file; ``folders`` those of its
    parameters, which may name a folder whose whole content counts. Neither is part of the key.
    """

    parts: Mapping[str, str]
    texts: frozenset[str] = field(default_factory=frozenset)
    folders: frozenset[str] = field(default_factory=frozenset)

    @property
    def key(self) -> str:
        """One digest for all parts."""
        return digest_text("\n".join([FORM, *(f"{name}\t{self.parts[name]}" for name in sorted(self.parts))]))

    def and_(self, more: Mapping[str, str]) -> Fingerprint:
        """With *more* parts."""
        return Fingerprint({**self.parts, **more}, self.texts, self.folders)


def fingerprint(node: Node, sources: Sources) -> Fingerprint:
    """What *node*'s step is, without its inputs. Call it while the project is active and before any step has run."""
    step = node.step
    code = code_of(step.function, sources, settable=node.parameters)
    parts = dict(code.parts)
    texts = set(code.texts)
    folders: set[str] = set()
    for name, value in node.parameters.items():
        found = _parameter(f"parameter {name}", value, sources)
        parts |= found.parts
        texts |= found.texts
        folders |= set(texts_in(value))
    if step.options.map:
        parts["map"] = step.options.map
    parts["python"] = PYTHON
    return Fingerprint(parts, frozenset(texts | folders), frozenset(folders))


def _parameter(part: str, value: Any, sources: Sources) -> Code:
    try:
        text = canonical(value)
    except NotPlain:
        return value_parts(part, value, sources)
    return Code({part: text if len(text) <= 200 else digest_text(text)}, set(texts_in(value)))
