"""The OpenAPI 3.1 document of an endpoint, made from the schema of the model that is live."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mainspring.core.version import VERSION
from mainspring.data.written import texts_of
from mainspring.serve.inference import DATATYPES, outputs_of

if TYPE_CHECKING:
    from mainspring.serve.field import Field
    from mainspring.serve.served import Served
    from mainspring.serve.settings import Settings
    from mainspring.serve.traffic import Deployment

JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean"}
FORMATS = {"date": "date", "datetime": "date-time"}
PROTECTED = {"token": "bearer", "password": "basic"}
"""The ways to send a token, and their schemes: in a browser it is the password of any name."""


FLAGS_BY_ROW = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
    "description": "What was flagged, by the number of the row; not there where nothing was",
}


def document(live: Deployment, settings: Settings) -> dict[str, Any]:
    """The document."""
    served = live.champion
    paths = {**_predict(served), **_scoring(), **_inference(served), **_others()}
    if settings.predict_route:
        paths[settings.predict_route] = paths["/invocations"]
    secured: dict[str, Any] = {"security": [{name: []} for name in PROTECTED]} if settings.token is not None else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": str(served.version),
            "description": _description(served),
            "x-mainspring": {
                "version": VERSION,
                "digest": served.digest,
                "task": served.task,
                "texts": sorted(texts_of(served.contract)),
            },
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(served, settings),
            "securitySchemes": {name: {"type": "http", "scheme": scheme} for name, scheme in PROTECTED.items()},
        },
    } | secured


def example(served: Served) -> dict[str, Any]:
    """A row that the contract takes: a held-out one, with the usual value or any allowed one where it has none."""
    first: dict[str, Any] = dict(served.serving.rows[0]) if served.serving.rows else {}
    row = {}
    for field in served.fields:
        value = first.get(field.name)
        if value is None:
            value = field.typical
        row[field.name] = _allowed(field, value)
    return {name: value for name, value in row.items() if value is not None or _field(served, name).nullable}


def row_schema(served: Served) -> dict[str, Any]:
    """The JSON schema of one row."""
    properties = {field.name: field_schema(field) for field in served.fields}
    entity = served.contract.project.entity
    if entity is not None and entity not in properties:
        about = served.contract.columns.get(entity)
        said = (about.description if about else None) or "Whom the row is about"
        properties[entity] = {
            "type": ["string", "integer", "null"],
            "description": f"{said}. Not looked at by the model.",
        }
    return {
        "type": "object",
        "title": "Row",
        "properties": properties,
        "required": [field.name for field in served.fields if field.needed],
        "examples": [example(served)],
    }


def field_schema(field: Field) -> dict[str, Any]:
    """The JSON schema of one value."""
    column, kind = field.column, field.kind
    type_ = JSON_TYPES.get(kind, "string")
    schema: dict[str, Any] = {"type": [type_, "null"] if field.nullable else type_}
    if kind in FORMATS:
        schema["format"] = FORMATS[kind]
    notes = []
    if column is not None:
        if isinstance(column.minimum, int | float):
            schema["minimum"] = column.minimum
        if isinstance(column.maximum, int | float):
            schema["maximum"] = column.maximum
        if column.categories is not None:
            values: list[Any] = list(column.categories)
            schema["enum"] = [*values, None] if field.nullable else values
        if column.pattern is not None:
            schema["pattern"] = f"^(?:{column.pattern})$"
        bounds = [str(end) for end in (column.minimum, column.maximum) if isinstance(end, str)]
        notes = [
            *([column.description.rstrip(".")] if column.description else []),
            *([f"Unit: {column.unit}"] if column.unit else []),
            *([f"Within {' and '.join(bounds)}"] if bounds else []),
            *(["Personal: masked in the prediction log"] if column.personal else []),
            *([_MEANING[column.on_violation]] if column.on_violation in _MEANING else []),
        ]
    if not field.needed:
        notes.append("The model does not need it")
    if notes:
        schema["description"] = ". ".join(notes) + "."
    if field.typical is not None:
        schema["examples"] = [_allowed(field, field.typical)]
    return schema


_MEANING = {
    "flag": "A value that breaks a rule is let through and marked",
    "impute": "A value that breaks a rule is replaced by the usual one and marked",
}


def _field(served: Served, name: str) -> Field:
    return next(field for field in served.fields if field.name == name)


def _allowed(field: Field, value: Any) -> Any:
    """*value* if the contract takes it, else one that it takes, else None."""
    from mainspring.serve.field import Broken

    column = field.column
    low = column.minimum if column is not None else None
    candidates = [value, *((column.categories or ())[:1] if column is not None else ()), low]
    candidates += [0 if field.kind in ("integer", "number") else None, field.kind == "boolean" or None]
    candidates += ["2026-01-31" if field.kind in FORMATS else "…"]
    for each in candidates:
        if each is None:
            continue
        if field.kind == "integer" and isinstance(each, float):
            each = math.ceil(each)
        try:
            field.read(each)
        except Broken:
            continue
        return each
    return None


def _description(served: Served) -> str:
    project = served.contract.project
    said = [project.purpose or f"Predicts {served.model.target}."]
    if project.owner:
        said.append(f"Owner: {project.owner}.")
    said.append(f"{served.kind}, served as {served.form}.")
    return " ".join(said)


def _schemas(served: Served, settings: Settings) -> dict[str, Any]:
    answer = {
        "type": "object",
        "required": ["id", "model", "version", "prediction"],
        "properties": {
            "id": {"type": "string", "description": "The prediction's id, for its label later"},
            "model": {"const": served.name},
            "version": {"type": "integer"},
            "prediction": _prediction(served),
            **_chances(served, {"type": "number", "minimum": 0, "maximum": 1}),
            "flags": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Rule and column of what was let through; aside:<column> where the model answered "
                "without it; fallback where it was not asked",
            },
        },
    }
    many = {
        "type": "object",
        "required": ["id", "model", "version", "rows", "predictions"],
        "properties": {
            "id": {"type": "string", "description": "Row n, counted from 0, has the id <id>:<n>"},
            "model": {"const": served.name},
            "version": {"type": "integer"},
            "rows": {"type": "integer"},
            "predictions": {"type": "array", "items": _prediction(served)},
            **_chances(served, {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}}),
            "flags": FLAGS_BY_ROW,
        },
    }
    row = {"$ref": "#/components/schemas/Row"}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": settings.limits.rows}
    return {
        "Row": row_schema(served),
        "Rows": {"oneOf": [row, rows, {"type": "object", "required": ["rows"], "properties": {"rows": rows}}]},
        "Prediction": answer,
        "Predictions": many,
        "Error": _ERROR,
        "MlflowError": _MLFLOW_ERROR,
        "InferenceError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "Tensor": _tensor(served),
        "Label": _label(served),
    }


def _prediction(served: Served) -> dict[str, Any]:
    return {"type": "number"} if served.classes is None else {"enum": list(served.classes)}


def _chances(served: Served, value: dict[str, Any]) -> dict[str, Any]:
    if served.classes is None:
        return {}
    names = [label if isinstance(label, str) else str(label).lower() for label in served.classes]
    return {"probabilities": {"type": "object", "properties": dict.fromkeys(names, value), "required": names}}


_VIOLATION = {
    "type": "object",
    "required": ["row", "field", "rule", "value", "message"],
    "properties": {
        "row": {"type": "integer", "description": "Counted from 0"},
        "field": {"type": "string"},
        "rule": {"type": "string"},
        "value": {},
        "message": {"type": "string"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "violations": {"type": "array", "items": _VIOLATION}},
}
_MLFLOW_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


def _tensor(served: Served) -> dict[str, Any]:
    names = [field.name for field in served.fields if field.needed]
    kinds = sorted({DATATYPES.get(field.kind, "BYTES") for field in served.fields if field.needed})
    return {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string", "examples": names[:3]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string", "examples": kinds},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }


def _label(served: Served) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["label"],
        "properties": {
            "id": {"type": "string", "description": "The id of the prediction"},
            "entity": {"type": "string", "description": "Whom it is about, where there is no id"},
            "time": {"type": "string", "format": "date-time"},
            "label": _prediction(served),
        },
    }


def _answers(good: dict[str, Any], error: str, **others: str) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}}
    told = {
        "400": "The request cannot be read",
        "401": "A token is needed",
        "408": "The request did not arrive in time",
        "413": "The request is too large",
        "415": "Another content type is needed",
        "503": "Busy: come again after Retry-After",
    } | {name.removeprefix("s"): text for name, text in others.items()}
    return {"200": good} | {status: {"description": text, "content": refused} for status, text in sorted(told.items())}


def _json(schema: Any, **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, **more}}


TOGETHER = (
    "One version answers all rows of a request. While a canary takes its share of the traffic, that is the version of "
    "whom the first row is about, whoever the others are about; where it names nobody, it is drawn for each request. "
    "To have everybody answered by their own version, ask for each entity by itself."
)


def _predict(served: Served) -> dict[str, Any]:
    row = example(served)
    both = {"oneOf": [{"$ref": "#/components/schemas/Prediction"}, {"$ref": "#/components/schemas/Predictions"}]}
    return {
        "/predict": {
            "post": {
                "operationId": "predict",
                "summary": f"Predict {served.model.target}",
                "description": TOGETHER,
                "requestBody": {
                    "required": True,
                    "content": _json(
                        {"$ref": "#/components/schemas/Rows"},
                        examples={"one row": {"value": row}, "several rows": {"value": {"rows": [row, row]}}},
                    ),
                },
                "responses": _answers(
                    {"description": "One answer, or the answers column by column", "content": _json(both)}, "Error",
                    s422="A value breaks the contract; each violation names field, rule, value and row",
                ),
            }
        }
    }  # fmt: skip


def _scoring() -> dict[str, Any]:
    shapes = ("dataframe_split", "dataframe_records", "instances", "inputs")
    body = {"type": "object", "oneOf": [{"required": [shape]} for shape in shapes]}
    good = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array"}, "flags": FLAGS_BY_ROW},
    }
    content = _json(body) | {
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"contentMediaType": "application/vnd.apache.parquet"}},
    }
    return {
        "/invocations": {
            "post": {
                "operationId": "invocations",
                "summary": "Predict, as MLflow, SageMaker and Vertex AI ask",
                "requestBody": {"required": True, "content": content},
                "responses": _answers({"description": "One prediction a row", "content": _json(good)}, "MlflowError"),
            }
        },
        "/ping": {"get": {"operationId": "ping", "summary": "200 when the model is loaded", "responses": _EMPTY}},
    }


_EMPTY = {"200": {"description": "It is"}, "503": {"description": "Not yet, or not any more"}}


def _inference(served: Served) -> dict[str, Any]:
    tensors = {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}}
    body = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"type": "string"}, "inputs": tensors, "outputs": {"type": "array"}},
    }
    good = {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": tensors,
        },
    }
    row = example(served)
    ask = {
        "inputs": [
            {
                "name": field.name,
                "shape": [1],
                "datatype": DATATYPES.get(field.kind, "BYTES"),
                "data": [row.get(field.name)],
            }
            for field in served.fields
            if field.needed
        ]
    }
    name = {"name": "model_name", "in": "path", "required": True, "schema": {"const": served.name}}
    found = {"200": {"description": "Its inputs and outputs"}, "404": {"description": "No such model"}}
    return {
        "/v2/models/{model_name}": {
            "get": {
                "operationId": "metadata",
                "summary": "What the model takes",
                "parameters": [name],
                "responses": found,
            }
        },
        "/v2/models/{model_name}/infer": {
            "post": {
                "operationId": "infer",
                "summary": f"Predict by the Open Inference Protocol: {', '.join(outputs_of(served))}",
                "parameters": [name],
                "requestBody": {"required": True, "content": _json(body, examples={"one row": {"value": ask}})},
                "responses": _answers(
                    {"description": "Tensors", "content": _json(good)}, "InferenceError", s404="No such model"
                ),
            }
        },
        "/v2/health/live": {"get": {"operationId": "live", "responses": _EMPTY}},
        "/v2/health/ready": {"get": {"operationId": "ready", "responses": _EMPTY}},
    }


def _others() -> dict[str, Any]:
    label = {"$ref": "#/components/schemas/Label"}
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    return {
        "/labels": {
            "post": {
                "operationId": "labels",
                "summary": "Say what became of predictions",
                "requestBody": {
                    "required": True,
                    "content": _json({"oneOf": [label, {"type": "array", "items": label}]}),
                },
                "responses": _answers(
                    {"description": "What became of the labels", "content": _json(counts)},
                    "Error",
                    s422="A label cannot be taken",
                    s501="This endpoint keeps no labels",
                ),
            }
        },
        "/health": {"get": {"operationId": "health", "summary": "Whether it answers", "responses": _EMPTY}},
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Numbers for Prometheus",
                "responses": {
                    "200": {"description": "Text", "content": {"text/plain": {"schema": {"type": "string"}}}}
                },
            }
        },
    }
