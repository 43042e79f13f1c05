"""Every section of mainspring.toml with its keys: the one declaration behind parsing, the JSON schema and the docs."""

from __future__ import annotations

from typing import get_args

from mainspring.contract.column import ColumnType, OnViolation, Role
from mainspring.contract.keys import (
    Bound,
    Budget,
    Flag,
    Key,
    Label,
    Many,
    Network,
    Number,
    OneOrMore,
    Reference,
    Section,
    Share,
    Span,
    Steps,
    Text,
    Texts,
    Where,
)
from mainspring.contract.metric import METRICS
from mainspring.contract.policy import Promotion, Trigger
from mainspring.contract.requirement import Priority, Stage
from mainspring.core.task import TASKS

PROJECT: Section = {
    "name": Key(kind=Text(), needed=True, help="what the project and its model are called"),
    "task": Key(kind=Text(TASKS), needed=True, help="what is predicted"),
    "target": Key(kind=Text(), needed=True, help="the column that is predicted"),
    "time": Key(kind=Text(), help="the column that orders rows: a date or any rising number; never a feature"),
    "entity": Key(kind=Text(), help="the column that says whom a row is about; never a feature"),
    "positive": Key(kind=Label(), help="the class counted as positive in a binary task"),
    "purpose": Key(kind=Text(), help="what the predictions are used for"),
    "owner": Key(kind=Text(), help="who answers for the model"),
    "workspace": Key(kind=Text(), help="where facts and bytes live, if not in .mainspring/"),
}
COLUMN: Section = {
    "type": Key(kind=Text(get_args(ColumnType)), needed=True, help="what the values are"),
    "minimum": Key(kind=Bound(), help="the smallest allowed value"),
    "maximum": Key(kind=Bound(), help="the largest allowed value"),
    "nullable": Key(kind=Flag(), help="whether a value may be missing (default true)"),
    "maximum_null_fraction": Key(kind=Number(0, 1), help="the largest allowed share of missing values"),
    "categories": Key(kind=Texts(loose=True), help="every allowed value"),
    "unique": Key(kind=Flag(), help="whether every value occurs once"),
    "pattern": Key(kind=Text(), help="a regular expression that the whole value must match"),
    "role": Key(kind=Text(get_args(Role)), help="feature, or ignore: checked but not learned from"),
    "personal": Key(kind=Flag(), help="says who someone is: masked in logs, erased on request"),
    "sensitive": Key(kind=Flag(), help="its groups must be treated alike"),
    "unit": Key(kind=Text(), help="the unit of the values"),
    "description": Key(kind=Text(), help="what the column means"),
    "on_violation": Key(
        kind=Text(get_args(OnViolation)),
        help="what an endpoint does with a value that breaks a rule: reject (default), flag, or impute the usual one",
    ),
}
REQUIRE: Section = {
    "metric": Key(kind=Text(tuple(METRICS)), needed=True, help="what is measured"),
    "at_least": Key(kind=Number(), help="the metric must not be below this"),
    "at_most": Key(kind=Number(), help="the metric must not be above this"),
    "below_champion_by_at_most": Key(kind=Number(0), help="how far it may be worse than the champion on the same rows"),
    "by": Key(kind=Text(), help="the column whose groups are compared (fairness metrics)"),
    "each": Key(kind=Text(), help="the column every value of which must keep the bound"),
    "where": Key(kind=Where(), help="only rows whose columns have these values"),
    "stages": Key(kind=OneOrMore(get_args(Stage)), help="where it is checked; default: wherever it can be measured"),
    "priority": Key(kind=Text(get_args(Priority)), help="must blocks, should warns (default must)"),
    "objective": Key(kind=Share(), help="share of the time it must hold; default: that of [slo]"),
    "why": Key(kind=Text(), help="the reason, shown with the verdict"),
}
COST: Section = {
    "truth": Key(kind=Label(), needed=True, help="the true class"),
    "prediction": Key(kind=Label(), needed=True, help="the predicted class"),
    "cost": Key(kind=Number(), needed=True, help="what one such row costs; a gain is negative"),
}
MONITOR: Section = {
    "window": Key(kind=Span(rows="rows"), help="how long (or how many rows) one window is; default 1d"),
    "false_alarms": Key(kind=Number(0, 0.5), help="accepted share of quiet windows that raise an alert; default 0.01"),
    "label_delay": Key(kind=Span(rows="rows"), help="how long after the prediction the truth is known"),
    "ignore": Key(kind=Texts(), help="columns whose drift is not watched"),
}
RETRAIN: Section = {
    "on": Key(kind=Texts(get_args(Trigger)), help="what may start a retrain"),
    "every": Key(kind=Span(rows="windows"), help="how often, for the trigger schedule"),
    "cooldown": Key(kind=Span(rows="windows"), help="what must pass between two retrains"),
    "at_most": Key(kind=Budget(), help='the budget, such as "3 per 7d"'),
    "promotion": Key(kind=Text(get_args(Promotion)), help="by rule, or after approval"),
}
ROLLOUT: Section = {
    "steps": Key(kind=Steps(), help="percent of the traffic, step by step"),
    "hold": Key(kind=Span(), help="how long each step is held"),
    "minimum_rows": Key(kind=Number(1, whole=True), help="rows answered at a step before the next; default 100"),
}
SLO: Section = {
    "objective": Key(kind=Share(), help="share of the time that a requirement must hold; default 0.99"),
    "over": Key(kind=Span(), help="the span over which that is counted; default 28d"),
}
FALLBACK: Section = {
    "prediction": Key(kind=Label(), needed=True, help="what is answered instead of the model in an emergency"),
}
NOTIFY: Section = {
    "urls": Key(
        kind=Many(Reference(public=True)),
        secret=True,
        help="where incidents are announced: env:NAME or file:PATH of an apprise URL, or a webhook's address",
    ),
    "severity": Key(kind=Text(("info", "warning", "critical")), help="the least severity that is announced"),
    "secret": Key(kind=Reference(), secret=True, help="what webhooks are signed with: env:NAME or file:PATH"),
    "allow": Key(kind=Many(Network()), help="hosts and networks that may be called although they are not public"),
}
SECTIONS: dict[str, Section] = {
    "project": PROJECT,
    "columns": COLUMN,
    "require": REQUIRE,
    "cost": COST,
    "monitor": MONITOR,
    "retrain": RETRAIN,
    "rollout": ROLLOUT,
    "slo": SLO,
    "fallback": FALLBACK,
    "notify": NOTIFY,
}
TABLES_BY_NAME = ("columns",)
"""Sections that hold one table for each name."""
LISTS = ("require", "cost")
"""Sections that may stand several times."""
