"""The endpoint's own page: what it takes, a form to try it, and how to call it. Works without any other server."""

from __future__ import annotations

import base64
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import msgspec

from mainspring.serve.openapi import example, field_schema

if TYPE_CHECKING:
    from mainspring.serve.field import Field
    from mainspring.serve.traffic import Deployment


def _part(name: str) -> str:
    return (files("mainspring.serve") / "templates" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode() + "'"


SCRIPT = _part("page.js")
STYLE = _part("page.css")
POLICY = (
    f"default-src 'none'; connect-src 'self'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may run its own script and ask its own endpoint; nothing else."""


def page(live: Deployment) -> str:
    """The page of the model that is live."""
    served = live.champion
    project = served.contract.project
    row = msgspec.json.format(msgspec.json.encode(example(served)), indent=2).decode()
    facts = {
        "task": served.task,
        "predicts": served.model.target,
        "version": str(served.version),
        "canary": f"version {live.canary.version}, {live.percent:g} %" if live.canary is not None else "",
        "model": f"{served.kind}, served as {served.form}",
        "made": served.created[:19].replace("T", " "),
        "digest": served.digest[:12],
        "owner": project.owner,
    }
    return Template(_part("page.html")).substitute(
        style=STYLE,
        script=SCRIPT,
        name=escape(served.name),
        purpose=escape(project.purpose or f"Predicts {served.model.target}."),
        facts="".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value),
        fields="".join(_row(field) for field in served.fields),
        example=escape(row),
        command=escape(_command(msgspec.json.encode(example(served)).decode())),  # the address stands behind it
    )


def _row(field: Field) -> str:
    schema = field_schema(field)
    low, high = schema.get("minimum"), schema.get("maximum")
    allowed = [str(value) for value in schema.get("enum", ()) if value is not None]
    rules = [
        *([f"from {low:g}"] if low is not None else []),
        *([f"to {high:g}"] if high is not None else []),
        *([", ".join(allowed[:12]) + ("…" if len(allowed) > 12 else "")] if allowed else []),
        *([schema["pattern"]] if "pattern" in schema else []),
    ]
    cells = (
        f"<code>{escape(field.name)}</code>",
        escape(field.kind),
        "may be null" if field.nullable else "needed" if field.needed else "",
        escape(" ".join(rules)),
        escape(schema.get("description", "")),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _command(row: str) -> str:
    quoted = row.replace("'", "'\\''")
    return f"curl -H 'Content-Type: application/json' -d '{quoted}'"
