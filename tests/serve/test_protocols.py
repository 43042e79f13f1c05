"""The protocols of others on a real endpoint: Open Inference V2, /invocations, platforms, OpenAPI, Prometheus."""

from __future__ import annotations

import io
import json
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mainspring.serve import invocations
from mainspring.serve.problem import Problem
from mainspring.serve.reply import refusal
from mainspring.serve.served import Served
from tests.serve import shop
from tests.serve.live import client, serving

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

ROWS = [shop.GOOD, {**shop.GOOD, "age": 60, "spent": 90.0, "town": "ulm"}, {**shop.GOOD, "spent": None, "since": None}]
KINDS = {"age": "INT64", "spent": "FP64", "member": "BOOL", "height": "FP64", shop.ODD: "FP64"}


def answers(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[float]]]:
    predictor = shop.bundle("linear", 0).predictor()
    said = [predictor.predict_row(row) for row in rows]
    return [each.values[0] for each in said], [each.scores[0].tolist() for each in said if each.scores is not None]


def tensors(rows: list[dict[str, Any]], shape: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [len(rows), *shape],
            "datatype": KINDS.get(name, "BYTES"),
            "data": [str(row[name]) if name not in KINDS else row[name] for row in rows],
        }
        for name in shop.GOOD
    ]


def test_health_and_metadata(http: httpx.Client) -> None:
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}
    assert http.get("/v2/").json()["extensions"] == ["binary_tensor_data"]
    assert http.get("/v2/models").json() == {"models": ["shop"]}
    assert http.get("/v2/models/shop/versions/1/ready").status_code == 200
    told = http.get("/v2/models/shop").json()
    assert told["versions"] == ["1"]
    assert {each["name"]: each["datatype"] for each in told["inputs"]} == {
        name: KINDS.get(name, "BYTES") for name in shop.GOOD
    }
    assert told["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]
    versions = ("9", "0000000000011", "0" * 12 + "1", "1" * 5000, "-1", "1e0", "%C2%B9", "1_0")
    wrong = [f"/v2/models/shop/versions/{version}" for version in versions]
    for path in ("/v2/models/other", *wrong, *(f"{path}/ready" for path in wrong), "/v2/models/other/ready"):
        reply = http.get(path)
        assert reply.status_code == 404
        assert set(reply.json()) == {"error"}
    for path in wrong:
        assert http.post(f"{path}/infer", json={"inputs": []}).status_code == 404
    assert http.get("/v2/models/shop/infer").status_code == 405


@pytest.mark.parametrize("shape", [(), (1,)])
def test_inference_by_columns(http: httpx.Client, shape: tuple[int, ...]) -> None:
    rows = ROWS[:2]
    ask = {"id": "mein ä", "inputs": tensors(rows, shape), "parameters": {"unknown": 1}}
    said = http.post("/v2/models/shop/infer", json=ask).json()
    values, scores = answers(rows)
    assert (said["model_name"], said["model_version"], said["id"]) == ("shop", "1", "mein ä")
    label, chances = said["outputs"]
    assert label == {"name": "predict", "datatype": "BYTES", "shape": [2], "data": values}
    assert chances["shape"] == [2, 2]
    assert chances["data"] == pytest.approx([value for row in scores for value in row], abs=1e-6)
    only = http.post("/v2/models/shop/infer", json={**ask, "outputs": [{"name": "predict"}]}).json()
    assert [each["name"] for each in only["outputs"]] == ["predict"]
    twice = http.post("/v2/models/shop/infer", json={**ask, "outputs": [{"name": "predict"}] * 2})
    assert (twice.status_code, twice.json()) == (400, {"error": "Output 'predict' is asked for twice."})


def test_raw_tensors_in_and_out(http: httpx.Client) -> None:
    rows = [ROWS[0], ROWS[1]]
    inputs: list[dict[str, Any]] = []
    raw = b""
    for each in tensors(rows):
        name, datatype = each["name"], each["datatype"]
        if name == "town":  # JSON and raw inputs may mix
            inputs.append(each)
            continue
        if datatype == "BYTES":
            data = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in each["data"])
        else:
            data = np.array(each["data"], {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}[datatype]).tobytes()
        inputs.append(
            {key: each[key] for key in ("name", "shape", "datatype")} | {"parameters": {"binary_data_size": len(data)}}
        )
        raw += data
    outputs = [{"name": "predict_proba", "parameters": {"binary_data": True}}, {"name": "predict"}]
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    reply = http.post("/v2/models/shop/infer", content=head + raw, headers=headers)
    assert reply.status_code == 200, reply.text
    length = int(reply.headers["inference-header-content-length"])
    told = json.loads(reply.content[:length])
    values, scores = answers(rows)
    assert told["outputs"][1]["data"] == values
    assert told["outputs"][0]["parameters"]["binary_data_size"] == 32
    assert np.frombuffer(reply.content[length:]).tolist() == pytest.approx(np.ravel(scores), abs=1e-6)


FIRST = tensors(ROWS[:1])
CHANGES: tuple[dict[str, Any], ...] = (
    {"name": ""},
    {"name": "nobody"},
    {"name": "spent"},
    {"shape": []},
    {"shape": [-1]},
    {"shape": [2]},
    {"shape": [10**12]},
    {"shape": [1, 2]},
    {"shape": "x"},
    {"datatype": "FP99"},
    {"data": None},
    {"data": [None]},
    {"data": ["forty"]},
    {"data": [[[[[40]]]]]},
    {"data": [40, 41]},
    {"data": [7]},
    {"parameters": {"binary_data_size": 8}},
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"inputs": []}',
        b'{"inputs": 3}',
        b'{"inputs": [3]}',
        *[json.dumps({"inputs": [{**FIRST[0], **change}, *FIRST[1:]]}).encode() for change in CHANGES],
        json.dumps({"inputs": [FIRST[0], FIRST[0]]}).encode(),
        json.dumps({"inputs": FIRST[1:]}).encode(),
        json.dumps({"inputs": FIRST, "outputs": [{"name": "nothing"}]}).encode(),
        json.dumps({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}).encode(),
        b'{"inputs": ' + b"[" * 20_000,
    ],
)
def test_bad_inference_requests_are_400_with_a_sentence(http: httpx.Client, body: bytes) -> None:
    reply = http.post("/v2/models/shop/infer", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400, reply.text
    assert isinstance(reply.json()["error"], str)


@pytest.mark.parametrize("header", ["x", "-1", "99999999", "4"])
def test_a_header_length_that_does_not_add_up(http: httpx.Client, header: str) -> None:
    body = json.dumps({"inputs": FIRST}).encode()
    reply = http.post("/v2/models/shop/infer", content=body, headers={"inference-header-content-length": header})
    assert reply.status_code == 400
    assert "error" in reply.json()


def test_invocations_in_every_shape(http: httpx.Client) -> None:
    names = list(shop.GOOD)
    values, _ = answers(ROWS)
    cells = [[row[name] for name in names] for row in ROWS]
    shapes: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in cells], "index": [5, 6, 7]}},
        {"dataframe_records": [{**row, "extra": "dropped"} for row in ROWS], "params": {"a": 1}},
        {"instances": ROWS},
        {"instances": cells},
        {"inputs": {name: [row[name] for row in ROWS] for name in names}},
        {"inputs": cells},
    ]
    for body in shapes:
        reply = http.post("/invocations", json=body)
        assert reply.json() == {"predictions": values}, body
        assert len(reply.headers["x-prediction-id"]) == 26
        assert reply.headers["x-model-version"] == "1"


def test_invocations_by_csv_and_parquet(http: httpx.Client) -> None:
    import polars as pl

    values, _ = answers(ROWS)
    frame = pl.DataFrame([{**row, "shelf": str(row["shelf"])} for row in ROWS])
    reply = http.post(
        "/invocations", content=frame.write_csv().encode(), headers={"content-type": "text/csv; charset=UTF-8"}
    )
    assert reply.json() == {"predictions": values}, reply.text
    table = io.BytesIO()
    frame.with_columns(pl.col("since").str.to_date()).write_parquet(table)
    headers = {"content-type": "application/vnd.apache.parquet"}
    assert http.post("/invocations", content=table.getvalue(), headers=headers).json() == {"predictions": values}


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "BAD_REQUEST"),
        (b"[]", "application/json", 400, "BAD_REQUEST"),
        (b'"x"', "application/json", 400, "BAD_REQUEST"),
        (b"{}", "application/json", 400, "BAD_REQUEST"),
        (b'{"instances": [], "inputs": []}', "application/json", 400, "BAD_REQUEST"),
        (b'{"instances": []}', "application/json", 400, "BAD_REQUEST"),
        (b'{"instances": [[1, 2]]}', "application/json", 400, "BAD_REQUEST"),
        (b'{"dataframe_split": {"columns": ["a", "a"], "data": []}}', "application/json", 400, "BAD_REQUEST"),
        (b'{"inputs": {"a": [1], "b": [1, 2]}}', "application/json", 400, "BAD_REQUEST"),
        (b'{"dataframe_records": [{"age": 40}]}', "application/json", 400, "INVALID_PARAMETER_VALUE"),
        (b"age,spent\n1\n", "text/csv", 400, "BAD_REQUEST"),
        (b"\xff", "text/csv", 400, "BAD_REQUEST"),
        (b"no parquet", "application/vnd.apache.parquet", 400, "BAD_REQUEST"),
        (b'{"instances": [{}]}' + b" " * (1 << 20), "application/json", 413, "BAD_REQUEST"),
    ],
)
def test_bad_invocations(http: httpx.Client, content: bytes, kind: str, status: int, code: str) -> None:
    reply = http.post("/invocations", content=content, headers={"content-type": kind})
    assert reply.status_code == status, reply.text
    assert reply.json()["error_code"] == code
    assert reply.json()["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=latin-1", "application/xml"])
def test_another_kind_of_body_is_refused_in_plain_text(http: httpx.Client, kind: str) -> None:
    reply = http.post("/invocations", content=b"{}", headers={"content-type": kind})
    assert (reply.status_code, reply.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert reply.text.startswith("Expected application/json, text/csv,")


@pytest.mark.parametrize(
    ("status", "code"),
    [(405, "BAD_REQUEST"), (408, "BAD_REQUEST"), (504, "TEMPORARILY_UNAVAILABLE"), (500, "INTERNAL_ERROR")],
)
def test_only_an_error_of_ours_is_called_one(status: int, code: str) -> None:
    assert json.loads(refusal(Problem(status, "so"), "/invocations").body)["error_code"] == code


MANY = 501  # the endpoint takes 500


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {name: [value] * MANY for name, value in shop.GOOD.items()}},
        {"inputs": {"unknown": [1] * MANY}},
        {"instances": [[1]] * MANY},
        {"instances": [3] * MANY},
        {"dataframe_records": [3] * MANY},
        {"dataframe_split": {"columns": ["age"], "data": [3] * MANY}},
    ],
)
def test_rows_are_counted_before_they_are_made(http: httpx.Client, body: dict[str, Any]) -> None:
    reply = http.post("/invocations", json=body)
    assert (reply.status_code, reply.json()["error_code"]) == (413, "BAD_REQUEST")
    assert "501 rows; at most 500" in reply.json()["message"]


def test_tables_are_counted_before_they_are_read_and_only_known_columns_are(http: httpx.Client) -> None:
    import polars as pl

    csv = "age,spent\n" + "1,x\n" * 500 + "\n1,2\n"
    reply = http.post("/invocations", content=csv, headers={"content-type": "text/csv"})
    assert (reply.status_code, "501 rows" in reply.text) == (413, True), "before the values are looked at"
    file = io.BytesIO()
    pl.DataFrame({"age": pl.repeat(1, 20_000_000, dtype=pl.UInt8, eager=True)}).write_parquet(file)
    assert len(file.getvalue()) < 100_000
    kind = "application/vnd.apache.parquet"
    reply = http.post("/invocations", content=file.getvalue(), headers={"content-type": kind})
    assert (reply.status_code, "20,000,000 rows" in reply.text) == (413, True)
    served = Served(shop.bundle(), name="shop", version=1)
    file = io.BytesIO()
    wide = pl.DataFrame({**shop.GOOD, **{f"u{i}": 1 for i in range(50)}})
    wide.write_parquet(file)
    columns = set(wide.columns[: len(shop.GOOD) + invocations.SPARE])
    for content, form in ((file.getvalue(), kind), (wide.write_csv().encode(), "text/csv")):
        (row,) = invocations.read(content, form, served, most=1, room=1 << 20)
        assert set(row) == columns


@pytest.mark.parametrize("shape", [[501], [501, 1], [1, 900_000], [500, 13]])
def test_tensors_are_counted_before_they_are_read(http: httpx.Client, shape: list[int]) -> None:
    size = shape[0] * (shape[1] if len(shape) > 1 else 1)
    about = {"name": "age", "shape": shape, "datatype": "BOOL", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [about]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    reply = http.post("/v2/models/shop/infer", content=head + b"\2" * size, headers=headers)
    assert (reply.status_code, list(reply.json())) == (413, ["error"]), reply.text


def test_texts_are_read_up_to_their_number(http: httpx.Client) -> None:
    for size, said in ((900_000, "has more than 3 raw elements"), (8, "has 2 raw elements of 3")):
        about = {"name": "town", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [about]}).encode()
        headers = {"inference-header-content-length": str(len(head))}
        reply = http.post("/v2/models/shop/infer", content=head + bytes(size), headers=headers)
        assert (reply.status_code, said in reply.json()["error"]) == (400, True)


def test_ping(http: httpx.Client) -> None:
    reply = http.get("/ping")
    assert (reply.status_code, reply.content) == (200, b"")


def test_a_platforms_own_routes(workspace: Path) -> None:
    predict, health = "/v1/endpoints/1/deployedModels/2:predict", "/v1/endpoints/1/deployedModels/2"
    routes = {"AIP_HTTP_PORT": "0", "AIP_PREDICT_ROUTE": predict, "AIP_HEALTH_ROUTE": health}
    with serving("shop", workspace=workspace, **routes) as live, client(live) as http:
        assert http.get(health, headers={"host": "anything"}).status_code == 200
        reply = http.post(predict, content=json.dumps({"instances": ROWS, "parameters": {}}))
        assert reply.json() == {"predictions": answers(ROWS)[0]}


@pytest.mark.parametrize(
    ("predict", "health"),
    [("/predict", "/health"), ("/labels", "/predict"), ("/invocations", "/metrics"), ("/v2/models/shop/infer", "/v2")],
)
def test_a_platforms_route_that_is_one_of_ours_means_what_the_platform_says(
    workspace: Path, predict: str, health: str
) -> None:
    routes = {
        "AIP_HTTP_PORT": "0",
        "AIP_PREDICT_ROUTE": predict,
        "AIP_HEALTH_ROUTE": health,
        "MAINSPRING_TOKEN": "hush",
    }
    with serving("shop", "--host", "127.0.0.1", workspace=workspace, **routes) as live, client(live) as http:
        reply = http.get(health)  # a probe has no token
        assert (reply.status_code, reply.content) == (200, b"")
        http.headers["authorization"] = "Bearer hush"
        for rows in (ROWS[:1], ROWS, ROWS * 100):
            for kind in ({"content-type": "application/json"}, {}):
                reply = http.post(predict, content=json.dumps({"instances": rows}), headers=kind)
                assert reply.status_code == 200, reply.text
                assert reply.json() == {"predictions": answers(rows)[0]}
        if predict != "/predict":
            assert http.post("/predict", json=shop.GOOD).json()["version"] == 1


def test_openapi_describes_the_models_own_columns(http: httpx.Client) -> None:
    told = http.get("/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    row = told["components"]["schemas"]["Row"]
    assert set(row["required"]) == set(shop.GOOD)
    assert row["properties"]["age"] == {
        "type": "integer",
        "minimum": 18,
        "maximum": 120,
        "examples": [row["properties"]["age"]["examples"][0]],
    }
    assert row["properties"]["town"]["enum"] == ["bo", "ulm", "köln", None]
    assert row["properties"]["since"]["format"] == "date"
    assert "Personal" in row["properties"]["email"]["description"]
    example = told["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert http.post("/predict", json=example["one row"]["value"]).status_code == 200
    assert http.post("/predict", json=example["several rows"]["value"]).json()["rows"] == 2
    infer = told["paths"]["/v2/models/{model_name}/infer"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ]
    assert http.post("/v2/models/shop/infer", json=infer["one row"]["value"]).status_code == 200
    scoring = told["paths"]["/invocations"]["post"]
    assert set(scoring["requestBody"]["content"]) == set(invocations.KINDS)
    assert "flags" in scoring["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert {"413", "422", "501"} <= set(told["paths"]["/labels"]["post"]["responses"])
    assert "whom the first row is about" in told["paths"]["/predict"]["post"]["description"]
    for place in re.findall(r'"\$ref": ?"#/components/schemas/(\w+)"', json.dumps(told)):
        assert place in told["components"]["schemas"]


def test_the_page_needs_nothing_from_elsewhere(http: httpx.Client) -> None:
    reply = http.get("/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", reply.text)
    assert "<code>age</code>" in reply.text
    assert "köln" in reply.text
    example = re.search(r"<textarea[^>]*>(.*?)</textarea>", reply.text, re.DOTALL)
    assert example is not None
    from html import unescape

    assert (
        http.post("/predict", content=unescape(example[1]), headers={"content-type": "application/json"}).status_code
        == 200
    )
    assert http.head("/docs").status_code == 200


def test_metrics(http: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    http.post("/predict", json=[shop.GOOD] * 3)
    http.post("/predict", json={**shop.GOOD, "age": 5})
    reply = http.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(reply.text)}

    def value(family: str, **labels: str) -> float:
        return next(s.value for s in families[family].samples if labels.items() <= s.labels.items())

    assert value("mainspring_requests", route="/predict", status="200") > 0
    assert value("mainspring_requests", route="/predict", status="422") > 0
    assert value("mainspring_rows", version="1", role="champion") >= 3
    assert value("mainspring_violations", field="age", rule="minimum") >= 1
    assert value("mainspring_model_version", role="champion") == 1
    assert value("process_resident_memory_bytes") > 2e7
    assert value("process_cpu_seconds") > 0
    buckets = [s for s in families["mainspring_request_duration_seconds"].samples if s.name.endswith("_bucket")]
    of_predict = [s.value for s in buckets if s.labels["route"] == "/predict"]
    assert of_predict == sorted(of_predict)
    opened = http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.text.endswith("# EOF\n")
