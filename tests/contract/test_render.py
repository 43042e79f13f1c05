"""A rendered contract reads back as the same contract."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.contract.render import as_dict, render
from tests.contract.test_parse import FULL

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def test_a_full_contract_survives_the_round_trip() -> None:
    contract = Contract.parse(FULL)
    assert Contract.parse(render(contract)) == contract
    assert as_dict(contract) == tomllib.loads(render(contract))
    assert Contract.from_dict(as_dict(contract)) == contract
    assert Contract.from_dict(msgspec.json.decode(msgspec.json.encode(as_dict(contract)))) == contract


def test_comments_stand_above_their_section_and_behind_their_key() -> None:
    text = render(Contract.parse(FULL), {"": "Top", "columns.age": "Two\nlines", "project.time": "looks like a date"})
    assert text.startswith("# Top\n")
    assert "# Two\n# lines\n[columns.age]" in text
    assert 'time = "signup"  # looks like a date' in text
    assert Contract.parse(text) == Contract.parse(FULL)


@given(name=TEXTS, description=TEXTS, low=st.floats(allow_nan=False, allow_infinity=False))
def test_any_name_and_text_survives(name: str, description: str, low: float) -> None:
    column = Column(name=name, type="number", minimum=low, description=description)
    project = ProjectSection(name=description, task="regression", target=name)
    contract = Contract(project=project, columns={name: column})
    assert Contract.parse(render(contract)) == replace(contract, path=None)
