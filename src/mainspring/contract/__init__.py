"""What must hold: columns, requirements, verdicts. Rule: pure; knows no data, no model and no storage."""

from mainspring.contract.column import Column, ColumnType, OnViolation, Role
from mainspring.contract.contract import Contract
from mainspring.contract.policy import Fallback, Monitor, Notify, Retrain, Rollout, Slo
from mainspring.contract.project import ProjectSection
from mainspring.contract.requirement import Requirement, Stage
from mainspring.contract.verdict import Result, Verdict, judge

__all__ = [
    "Column",
    "ColumnType",
    "Contract",
    "Fallback",
    "Monitor",
    "Notify",
    "OnViolation",
    "ProjectSection",
    "Requirement",
    "Result",
    "Retrain",
    "Role",
    "Rollout",
    "Slo",
    "Stage",
    "Verdict",
    "judge",
]
