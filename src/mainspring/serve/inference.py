"""The Open Inference Protocol V2 over REST: health, metadata, inference, binary tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve import tensor
from mainspring.serve.problem import Problem, json_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.serve.endpoint import Asked
    from mainspring.serve.served import Scored, Served
    from mainspring.serve.tensor import Tensor

SIZE_HEADER = "inference-header-content-length"
DATATYPES = {"integer": "INT64", "number": "FP64", "boolean": "BOOL"}
"""The datatype of each kind of column; the others are BYTES."""
LABEL, CHANCES = "predict", "predict_proba"
EXTENSIONS = ["binary_tensor_data"]


@dataclass(frozen=True, slots=True)
class Inference:
    """A request: its rows, and which outputs are wanted in which form (True is raw)."""

    identity: str | None
    rows: list[dict[str, Any]]
    outputs: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Inferred:
    """An answer: its body, and where it has raw tensors the length of its JSON."""

    body: bytes
    header_length: int | None


def metadata(served: Served, versions: Sequence[int]) -> dict[str, Any]:
    """What the model takes (one input for each column; a matrix of numbers is taken too) and says."""
    inputs = [
        {"name": field.name, "datatype": DATATYPES.get(field.kind, "BYTES"), "shape": [-1]}
        for field in served.fields
        if field.needed
    ]
    return {
        "name": served.name,
        "versions": [str(version) for version in sorted(versions)],
        "platform": f"mainspring_{served.form}",
        "inputs": inputs,
        "outputs": [
            {"name": name, "datatype": _datatype(served, name), "shape": [-1, *_width(served, name)]}
            for name in outputs_of(served)
        ],
    }


def outputs_of(served: Served) -> tuple[str, ...]:
    """The names of the outputs, in order."""
    return (LABEL,) if served.classes is None else (LABEL, CHANCES)


def read(body: bytes, header: str | None, served: Served, *, most: int) -> Inference:
    """The request in *body*; *header* is the value of the header that says where its JSON ends.

    Raises Problem 400, and 413 for more than *most* rows, before they are made.
    """
    text, rest = _parts(body, header)
    value = json_of(text, what="request")
    if not isinstance(value, dict):
        raise Problem(400, "The request is not an object.")
    inputs = value.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise Problem(400, "The request has no inputs.")
    tensors: list[Tensor] = []
    left = most * (len(served.fields) + 1)  # the elements of a request that is right, and who its rows are about
    for place, each in enumerate(inputs):
        found, taken = tensor.read(each, place, rest, rows=most, elements=left)
        left -= len(found.data)
        tensors.append(found)
        rest = rest[taken:]
    if len(rest):
        raise Problem(400, f"{len(rest)} raw bytes belong to no input.")
    identity = value.get("id")
    if identity is not None and not isinstance(identity, str):
        raise Problem(400, "id must be a text.")
    return Inference(identity, _rows(tensors, served), _wanted(value, served))


def render(inference: Inference, asked: Asked, scored: Scored) -> Inferred:
    """The answer."""
    served = asked.served
    outputs: list[dict[str, Any]] = []
    raw: list[bytes] = []
    for name, is_raw in inference.outputs:
        data = _data(served, scored, name)
        shape = [len(scored.values), *_width(served, name)]
        described, body = tensor.output(name, _datatype(served, name), shape, data, raw=is_raw)
        outputs.append(described)
        raw.append(body)
    answer: dict[str, Any] = {
        "model_name": served.name,
        "model_version": str(served.version),
        "id": asked.identity if inference.identity is None else inference.identity,
        "parameters": {"prediction_id": asked.identity},
        "outputs": outputs,
    }
    if asked.flags is not None:
        answer["parameters"]["flags"] = ";".join(flag or "" for flag in asked.flags)
    text = msgspec.json.encode(answer)
    if not any(is_raw for _, is_raw in inference.outputs):
        return Inferred(text, None)
    return Inferred(text + b"".join(raw), len(text))


def _parts(body: bytes, header: str | None) -> tuple[memoryview, memoryview]:
    view = memoryview(body)
    if header is None:
        return view, view[:0]
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise Problem(400, f"{SIZE_HEADER} must be the length of the JSON at the beginning of the body.")
    return view[: int(header)], view[int(header) :]


def _wanted(value: Mapping[str, Any], served: Served) -> list[tuple[str, bool]]:
    known = outputs_of(served)
    parameters = value.get("parameters")
    every = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    outputs = value.get("outputs")
    if outputs is None or outputs == []:
        return [(name, every) for name in known]
    if not isinstance(outputs, list):
        raise Problem(400, "outputs must be a list.")
    wanted: list[tuple[str, bool]] = []
    for each in outputs:
        name = each.get("name") if isinstance(each, dict) else None
        if name not in known:
            raise Problem(400, f"There is no output {str(name)[:80]!r}; there are: {', '.join(known)}.")
        if any(name == before for before, _ in wanted):  # a short request may not make a long answer
            raise Problem(400, f"Output {name!r} is asked for twice.")
        own = each.get("parameters")
        raw = own.get("binary_data", every) if isinstance(own, dict) else every
        wanted.append((str(name), raw is True))
    return wanted


def _rows(tensors: Sequence[Tensor], served: Served) -> list[dict[str, Any]]:
    needed = [field.name for field in served.fields if field.needed]
    known = {field.name for field in served.fields} | {served.compiled.entity_name}
    if len(tensors) == 1 and tensors[0].name not in known:
        return _matrix(tensors[0], needed)
    columns: dict[str, list[Any]] = {}
    for each in tensors:
        if each.name not in known:
            raise Problem(400, f"There is no input {each.name[:80]!r}; there are: {', '.join(needed)}.")
        if each.name in columns:
            raise Problem(400, f"Input {each.name!r} is there twice.")
        if len(each.shape) > 2 or (len(each.shape) == 2 and each.shape[1] != 1):
            raise Problem(400, f"Input {each.name!r} has the shape {list(each.shape)}; expected [-1] or [-1, 1].")
        columns[each.name] = [None if value != value else value for value in each.data]
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise Problem(400, f"The inputs have different numbers of rows: {', '.join(map(str, sorted(lengths)))}.")
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _matrix(whole: Tensor, needed: list[str]) -> list[dict[str, Any]]:
    width = len(needed)
    if len(whole.shape) != 2 or whole.shape[1] != width:
        raise Problem(
            400,
            f"Input {whole.name[:80]!r} has the shape {list(whole.shape)}; expected one input for each column, or one "
            f"of the shape [-1, {width}] with the columns {', '.join(needed[:20])}.",
        )
    data = [None if value != value else value for value in whole.data]
    return [dict(zip(needed, data[start : start + width], strict=True)) for start in range(0, len(data), width)]


def _datatype(served: Served, name: str) -> str:
    if name == CHANCES or served.classes is None:
        return "FP64"
    if all(isinstance(label, bool) for label in served.classes):
        return "BOOL"
    return "INT64" if all(isinstance(label, int) for label in served.classes) else "BYTES"


def _width(served: Served, name: str) -> list[int]:
    return [len(served.classes or ())] if name == CHANCES else []


def _data(served: Served, scored: Scored, name: str) -> list[Any]:
    if name == CHANCES:
        classes = len(served.classes or ())
        rows = scored.scores if scored.scores is not None else [[float("nan")] * classes] * len(scored.values)
        return [value for row in rows for value in row]
    if _datatype(served, name) == "BYTES":
        return [str(value) for value in scored.values]
    return scored.values
