"""The model card, written from the evidence, in the form that model hubs read: YAML front matter, then Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import METRICS
from mainspring.report.table import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mainspring.contract import Contract
    from mainspring.train.model import Model

SLICES = 5
"""So many of the worst slices are named."""
PIPELINE = {"regression": "tabular-regression"}


def card(
    model: Model,
    *,
    contract: Contract,
    evaluation: Mapping[str, Any] | None,
    forms: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
) -> str:
    """The card as Markdown. What was not measured is said to be not measured."""
    evidence = evaluation or {}
    sections = [
        _front_matter(model, contract, evidence),
        f"# {contract.project.name}\n",
        _purpose(contract),
        "## What it does\n",
        _what(model, contract),
        "## How good it is\n",
        _metrics(evidence.get("metrics", {})),
        "### Requirements\n",
        _verdicts(evidence.get("verdicts", [])),
        "### Where it is worst\n",
        _slices(evidence.get("slices") or {}),
        "### Fairness\n",
        _fairness(contract, evidence.get("verdicts", [])),
        "## Training\n",
        _training(model),
        "## Limits\n",
        _limits(model, contract, evidence, forms),
        "## How to use it\n",
        f"```\nmainspring predict {contract.project.name} rows.parquet -o scored.parquet\n"
        f"mainspring verify {contract.project.name}\n```\n",
        "## Environment\n",
        _table(["distribution", "version"], [[name, version] for name, version in versions.items()]),
    ]
    return "\n".join(sections)


def _front_matter(model: Model, contract: Contract, evidence: Mapping[str, Any]) -> str:
    measured = {name: each for name, each in evidence.get("metrics", {}).items() if each["value"] is not None}
    pipeline = PIPELINE.get(model.task, "tabular-classification")
    entries: dict[str, Any] = {
        "library_name": "mainspring",
        "pipeline_tag": pipeline,
        "tags": ["tabular", model.task, model.kind],
        "metrics": list(measured),
        "model-index": [
            {
                "name": contract.project.name,
                "results": [
                    {
                        "task": {"type": pipeline},
                        "dataset": {"name": f"{contract.project.name} holdout", "type": "private"},
                        "metrics": [{"type": name, "value": each["value"]} for name, each in measured.items()],
                    }
                ],
            }
        ],
    }
    # JSON is YAML: nothing needs quoting rules of its own
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()]
    return "\n".join(["---", *lines, "---", ""])


def _purpose(contract: Contract) -> str:
    purpose = contract.project.purpose or "No purpose is written down: add `purpose` to `[project]`."
    owner = contract.project.owner or "nobody is named: add `owner` to `[project]`"
    return f"{purpose}\n\nOwner: {owner}.\n"


def _what(model: Model, contract: Contract) -> str:
    classes = "" if model.classes is None else f", one of {', '.join(str(label) for label in model.classes[:20])}"
    lines = [
        f"Predicts `{model.target}`{classes} from {len(model.encoder.columns)} columns ({model.kind}).",
        f"A positive is predicted from a probability of {model.threshold:g} on." if model.threshold is not None else "",
        f"Sensitive columns: {', '.join(contract.sensitive)}."
        if contract.sensitive
        else "No column is called sensitive.",
        f"Personal columns: {', '.join(contract.personal)}." if contract.personal else "No column is called personal.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            name,
            each["value"],
            each.get("low"),
            each.get("high"),
            each.get("rows"),
            METRICS[name].help if name in METRICS else "",
        ]
        for name, each in metrics.items()
    ]
    return _table(["metric", "value", "low", "high", "rows", "meaning"], rows, empty="Not measured.")


def _verdicts(verdicts: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [v["requirement"], v["stage"], v["priority"], v["value"], v["result"], v.get("reason", "")] for v in verdicts
    ]
    return _table(
        ["requirement", "stage", "priority", "value", "result", "reason"], rows, empty="No requirement is declared."
    )


def _slices(slices: Mapping[str, Any]) -> str:
    rows = [
        [f"{each['column']} = {each['level']}", *(each["estimate"][key] for key in ("value", "low", "high", "rows"))]
        for each in slices.get("found", [])
    ]
    metric = slices.get("metric") or "value"
    return _table(["slice", metric, "low", "high", "rows"], rows[:SLICES], empty="No slice was measured.")


def _fairness(contract: Contract, verdicts: Sequence[Mapping[str, Any]]) -> str:
    fair = [v for v in verdicts if v["metric"] in METRICS and METRICS[v["metric"]].kind == "fairness"]
    if fair:
        return _table(["requirement", "value", "result"], [[v["requirement"], v["value"], v["result"]] for v in fair])
    if contract.sensitive:
        return f"No fairness requirement is declared for {', '.join(contract.sensitive)}.\n"
    return "No column is called sensitive, so no groups were compared.\n"


def _training(model: Model) -> str:
    search = model.meta.get("search") or {}
    rows = [[key, model.meta.get(key)] for key in ("kind", "rows", "seconds", "seed") if key in model.meta]
    if search:
        rows.append(["trials", len(search.get("trials", []))])
        rows += [
            [f"cross-validated {search.get('metric')}", search.get("mean")],
            ["of the trivial baseline", search.get("baseline")],
        ]
    notes = [f"- {note}" for note in model.meta.get("notes", [])]
    return _table(["fact", "value"], rows, empty="Nothing was recorded.") + "\n".join([*notes, ""])


def _limits(
    model: Model, contract: Contract, evidence: Mapping[str, Any], forms: Mapping[str, Mapping[str, Any]]
) -> str:
    failed = [v["requirement"] for v in evidence.get("verdicts", []) if v["result"] == "fail"]
    unmeasured = [v["requirement"] for v in evidence.get("verdicts", []) if v["result"] == "not measurable"]
    onnx = forms.get("onnx", {})
    lines = [
        f"- Requirements that do not hold: {', '.join(failed)}." if failed else "",
        f"- Requirements that could not be measured: {', '.join(unmeasured)}." if unmeasured else "",
        f"- Columns passed over: {', '.join(f'{name} ({why})' for name, why in model.encoder.dropped.items())}."
        if model.encoder.dropped
        else "",
        f"- There is no ONNX form: {onnx.get('reason', 'it was not made')}." if not onnx.get("kept") else "",
        "- It has learned from the past: when what it predicts changes, only labels can show it.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "None.") -> str:
    lines = [f"| {' | '.join(_escaped(cell(value)) for value in row)} |" for row in rows]
    if not lines:
        return f"{empty}\n"
    return "\n".join([f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}", *lines, ""])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
