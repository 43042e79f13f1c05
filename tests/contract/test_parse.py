"""Every mistake in a contract is one sentence with file, line and nearest match."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.contract import Contract
from mainspring.core.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = '[project]\nname = "churn"\ntask = "binary"\ntarget = "churned"\n'
COLUMNS = (
    '[columns.churned]\ntype = "boolean"\n[columns.age]\ntype = "integer"\nminimum = 18\nmaximum = 120\n'
    '[columns.sex]\ntype = "category"\ncategories = ["f", "m"]\nsensitive = true\n'
)

FULL = (
    PROJECT
    + 'time = "signup"\nentity = "customer"\n'
    + COLUMNS
    + """
[columns.signup]
type = "date"
minimum = 2020-01-01
on_violation = "flag"
[columns.customer]
type = "text"
personal = true
[columns."home town"]
type = "text"
role = "ignore"

[[require]]
metric = "roc_auc"
at_least = 0.80
why = "below this, calling at random is cheaper"
[[require]]
metric = "equal_opportunity_difference"
by = "sex"
at_most = 0.10
priority = "should"
[[require]]
metric = "roc_auc"
below_champion_by_at_most = 0.005
[[require]]
metric = "accuracy"
at_least = 0.7
where = { sex = "f" }
stages = "live"
objective = 0.9

[[cost]]
truth = true
prediction = false
cost = 50

[monitor]
window = "1d"
[retrain]
on = ["requirement", "drift"]
cooldown = "12h"
at_most = "3 per 7d"
[rollout]
steps = [5, 25, 100]
hold = "10m"
minimum_rows = 50
[slo]
objective = 0.95
over = "7d"
[fallback]
prediction = false
[notify]
urls = ["env:HOOK", "file:/run/secrets/hook", "https://hooks.example.org/a?b=c"]
secret = "env:HOOK_KEY"
allow = ["10.0.0.0/8", "::1", "Hooks.internal"]
"""
)


def test_a_full_contract_becomes_typed_values() -> None:
    contract = Contract.parse(FULL)
    assert contract.features == ("age", "sex")
    assert contract.sensitive == ("sex",)
    assert contract.personal == ("customer",)
    assert contract.columns["signup"].minimum == "2020-01-01"
    assert [requirement.bound for requirement in contract.requirements] == [0.8, 0.1, 0.005, 0.7]
    assert contract.requirements[3].where == (("sex", "f"),)
    assert contract.requirements[3].stages == ("live",)
    assert contract.monitor.window == timedelta(days=1)
    assert (contract.retrain.at_most, contract.retrain.per) == (3, timedelta(days=7))
    assert contract.cost == {("true", "false"): 50.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[projekt]\n", r"m\.toml:1: there is no section \[projekt\]\. Did you mean project\?"),
        ("", r"m\.toml: the section \[project\] is missing"),
        ("[project\n", r"m\.toml: not valid TOML: .*line 1"),
        (PROJECT + 'tarjet = "x"\n', r"m\.toml:5: \[project\] has no key tarjet\. Did you mean target\?"),
        ('[project]\nname = "a"\ntarget = "y"\n', r"m\.toml:1: \[project\]: task is missing"),
        (
            PROJECT.replace('"binary"', '"binry"'),
            r"m\.toml:3: \[project\] task: expected one of .*did you mean binary\?",
        ),
        (PROJECT.replace('"churned"', "3"), r"m\.toml:4: \[project\] target: expected a text in quotes, got 3"),
        (PROJECT + '[columns.age]\ntype = "integr"\n', r"m\.toml:6: .*did you mean integer\?\), got 'integr'"),
        (PROJECT + "[columns.age]\nminimum = 3\n", r"m\.toml:5: \[columns\.age\]: type is missing"),
        (
            PROJECT + '[columns.age]\ntype = "integer"\nminimum = 5\nmaximum = 3\n',
            r":7: .*minimum 5 is above maximum 3",
        ),
        (PROJECT + '[columns.a]\ntype = "text"\nminimum = 5\n', r":7: .*minimum does not apply to a text column"),
        (PROJECT + '[columns.a]\ntype = "date"\nminimum = 5\n', r":7: .*expected a date such as 2026-01-31 .*got 5"),
        (PROJECT + '[columns.a]\ntype = "text"\npattern = "("\n', r":7: .*pattern is not a regular expression"),
        (PROJECT + '[columns.a]\ntype = "text"\nnullable = "no"\n', r":7: .*expected true or false, got 'no'"),
        (
            PROJECT + '[columns.a]\ntype = "text"\non_violation = "imput"\n',
            r":7: .*one of reject, flag, impute \(did you mean impute\?\)",
        ),
        (PROJECT + "[columns]\nage = 3\n", r":5: columns is a section: expected \[columns\.NAME\]"),
        (PROJECT + '[require]\nmetric = "roc_auc"\n', r":5: require is a section: expected \[\[require\]\]"),
        (PROJECT + '[[require]]\nmetric = "roc_acu"\nat_least = 1\n', r":6: .*did you mean roc_auc\?"),
        (PROJECT + '[[require]]\nmetric = "rmse"\nat_most = 1\n', r":6: .*rmse does not fit the task binary"),
        (PROJECT + '[[require]]\nmetric = "roc_auc"\n', r":5: .*exactly one of at_least.*got none"),
        (PROJECT + '[[require]]\nmetric = "f1"\nat_least = 1\nat_most = 2\n', r":5: .*got at_least and at_most"),
        (PROJECT + '[[require]]\nmetric = "equalized_odds_difference"\nat_most = 0.1\n', r"compares groups.*by = "),
        (PROJECT + COLUMNS + '[[require]]\nmetric = "f1"\nat_least = 1\neach = "agee"\n', r":18: .*Did you mean age\?"),
        (PROJECT + COLUMNS + '[[require]]\nmetric = "f1"\nat_least = 1\nby = "sex"\n', r":18: .*not a fairness metric"),
        (PROJECT + '[[require]]\nmetric = "expected_cost"\nat_most = 1\n', r":5: .*needs a cost matrix"),
        (
            PROJECT.replace("churned", "churn") + COLUMNS,
            r":4: .*column churn, which is not declared. Did you mean churned",
        ),
        (PROJECT + '[monitor]\nwindow = "1 fortnight"\n', r":6: .*expected a span of time .*got '1 fortnight'"),
        (PROJECT + '[retrain]\nat_most = "three"\n', r':6: .*expected a budget such as 3 or "3 per 7d"'),
        (PROJECT + '[retrain]\non = ["drfit"]\n', r":6: .*did you mean drift\?"),
        (PROJECT + '[retrain]\non = ["schedule"]\n', r":6: .*say how often with every"),
        (PROJECT + "[rollout]\nsteps = [5, 3]\n", r":6: .*rising percentages that end at 100"),
        (PROJECT + '[[cost]]\ntruth = 1\nprediction = 0\ncost = "x"\n', r":8: \[\[cost\]\] cost: expected a number"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Contract.parse(text, source="m.toml")


def test_a_file_that_is_not_text_or_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mainspring.toml"
    with pytest.raises(ContractError, match="there is no such file"):
        Contract.load(path)
    path.write_bytes(b"[project]\nname = '\xff'\n")
    with pytest.raises(ContractError, match=re.escape("expected text in UTF-8, got a byte that is not at offset 18")):
        Contract.load(path)


def test_what_the_live_loop_may_do_becomes_typed_values() -> None:
    contract = Contract.parse(FULL)
    assert (contract.slo.objective, contract.slo.over) == (0.95, timedelta(days=7))
    assert [requirement.objective for requirement in contract.requirements] == [None, None, None, 0.9]
    assert contract.rollout.minimum_rows == 50
    assert contract.fallback.prediction == "false"
    assert contract.notify.urls == ("env:HOOK", "file:/run/secrets/hook", "https://hooks.example.org/a?b=c")
    assert contract.notify.allow == ("10.0.0.0/8", "::1", "hooks.internal")
    plain = Contract.parse(PROJECT)
    assert (plain.slo.objective, plain.fallback.prediction, plain.notify.secret) == (0.99, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[notify]\nurls = ["slack://T0/B0/sesame"]\n', "expected env:NAME, file:PATH, or an address https://"),
        ('[notify]\nurls = ["https://ann:sesame@hooks.example.org"]\n', "secrets are not written into the contract"),
        ('[notify]\nsecret = "sesame"\n', "expected env:NAME or file:PATH; secrets are not"),
        ('[notify]\nallow = ["10.0.0.0/99"]\n', "expected a host, an address such as 10.0.0.5, or a network"),
        ('[notify]\nallow = ["10.0.0.300"]\n', "expected a host, an address"),
        ('[notify]\nurls = ["https://hooks.example.org"]\n', "[notify] webhooks are signed: say what with"),
        ("[slo]\nobjective = 1.0\n", "expected a share above 0 and below 1, such as 0.99, got 1.0"),
        ('[fallback]\nprediction = "maybe"\n', "churned has no class 'maybe'. Known: false, true."),
        ("[fallback]\n", "prediction is missing"),
    ],
)
def test_mistakes_about_the_live_loop_are_named_and_secrets_are_not_repeated(text: str, said: str) -> None:
    with pytest.raises(ContractError, match=re.escape(said)) as caught:
        Contract.parse(PROJECT + COLUMNS + text)
    assert "sesame" not in str(caught.value)


def test_a_regression_falls_back_to_a_number() -> None:
    text = '[project]\nname = "rent"\ntask = "regression"\ntarget = "price"\n[fallback]\nprediction = '
    assert Contract.parse(text + "12.5").fallback.prediction == "12.5"
    with pytest.raises(ContractError, match="expected a number for a regression, got 'low'"):
        Contract.parse(text + '"low"')
