"""The description of the API: the service answers as it says, and has no address that it leaves out."""

import asyncio
import io

import pytest
from small_service import STREAM, lines_of

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from actionunits import __version__
from actionunits.reports.schemas import TidySchema
from actionunits.web.limits import Limits
from actionunits.web.openapi import openapi
from actionunits.web.process import describe
from actionunits.web.uploads import options_of


def test_the_description_names_every_address(serve):
    client = serve()
    told = client.get("/v1/openapi.json").json()
    methods = {}
    for route in client.app.routes:
        if hasattr(route, "methods"):
            for path in [route.path.replace("{lines}", name) for name in ("rows", "frames")]:
                methods.setdefault(path, set()).update(method.lower() for method in route.methods - {"HEAD"})
    assert methods == {path: set(item) for path, item in told["paths"].items()}
    row = told["components"]["schemas"]["Row"]
    assert list(row["properties"]) == [column.name for column in TidySchema.columns]


def test_another_method_is_told_those_that_there_are(serve):
    client = serve()
    for path, item in openapi()["paths"].items():
        answer = client.request("PATCH", path.format(id="x", name="x"))
        assert answer.status_code == 405 and set(answer.json()) == {"error"}
        assert {method.strip().lower() for method in answer.headers["allow"].split(",")} - {"head"} == set(item)


@pytest.mark.parametrize(
    ("form", "is_right"),
    [
        ({}, True),
        ({"neutral": "12"}, True),
        ({"neutral": "3.2s", "calibrate": False}, True),
        ({"neutral": "", "calibrate": True}, True),
        ({"neutral": "a moment"}, False),
        ({"neutral": "1", "neutral_file": "x"}, False),
        ({"neutral_file": "x", "calibrate": True}, False),
        ({"neutral": "1", "calibrate": True}, False),
        ({"weights": "x"}, False),
    ],
)
def test_the_form_is_described_as_it_is_taken(form, is_right):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    described = jsonschema.Draft202012Validator(openapi()["components"]["schemas"]["Upload"])
    assert described.is_valid({"file": "x"} | form) == is_right
    sent = {name: str(value).lower() for name, value in form.items() if name != "neutral_file"}
    names = {"file", "neutral_file"} & {"file", *form}
    files = {name: UploadFile(io.BytesIO(b"x")) for name in names}
    try:
        options_of(sent | files)
        taken = True
    except HTTPException:
        taken = False
    assert taken == is_right


@pytest.fixture
def described(serve):
    """Asks a service, and holds its answer to the description: status, type, headers and content."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    client = serve(upload_bytes=1 << 20)
    document = client.get("/v1/openapi.json").json()

    def ask(method, path, **words):
        answer = client.request(method, path.format(**words.pop("names", {})), **words)
        answers = document["paths"][path][method]["responses"]
        expected = answers.get(str(answer.status_code), answers.get(f"{answer.status_code // 100}XX"))
        assert expected, f"{answer.status_code} is not described"
        kind = answer.headers.get("content-type", "").partition(";")[0]
        contents = expected.get("content", {})
        assert (kind in contents) if answer.content else not contents
        schema = contents.get(kind, {}).get("schema", {})
        values = lines_of(answer) if kind == "application/x-ndjson" else []
        for value in values or ([answer.json()] if kind == "application/json" else []):
            jsonschema.validate(value, schema | {"components": document["components"]})
        assert set(expected.get("headers", {})) <= {name.title() for name in answer.headers}
        return answer

    return ask


def test_answers_are_as_described(described, photo):
    for path in ("/v1/openapi.json", "/healthz", "/metrics", "/v1/analyses"):
        assert described("get", path).status_code == 200
    file = {"file": ("a.jpg", photo)}
    id = described("post", "/v1/analyses", files=file).json()["id"]
    names = {"names": {"id": id}}
    for path in ("/v1/analyses/{id}/rows", "/v1/analyses/{id}/frames", "/v1/analyses/{id}"):
        assert described("get", path, **names).status_code == 200
    for name in ("table", "summary", "card", "report"):
        file_of = {"names": {"id": id, "name": name}}
        assert described("get", "/v1/analyses/{id}/files/{name}", **file_of).status_code == 200
    assert described("get", "/v1/analyses").json()[0]["id"] == id
    assert described("delete", "/v1/analyses/{id}", **names).status_code == 204
    broken = described("post", "/v1/analyses", files={"file": b"x"}, headers=STREAM)
    assert lines_of(broken)[-1]["end"] == "failed"


@pytest.mark.parametrize(
    ("method", "path", "words", "code"),
    [
        ("get", "/v1/analyses/{id}", {}, 404),
        ("delete", "/v1/analyses/{id}", {}, 404),
        ("get", "/v1/analyses/{id}/rows", {}, 404),
        ("get", "/v1/analyses/{id}/files/{name}", {}, 404),
        ("get", "/v1/analyses", {"headers": {"Authorization": "Bearer wrong"}}, 401),
        ("post", "/v1/analyses", {"content": b"x"}, 415),
        ("post", "/v1/analyses", {"files": {"file": b"x" * (2 << 20)}}, 413),
        ("post", "/v1/analyses", {"files": {"file": b"x"}, "data": {"neutral": "x"}}, 400),
    ],
)
def test_refusals_are_as_described(described, method, path, words, code):
    answer = described(method, path, names={"id": "x", "name": "x"}, **words)
    assert answer.status_code == code and set(answer.json()) == {"error"}


def test_the_model_is_told_as_described(small_weights):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schemas = openapi()["components"]["schemas"]
    told = asyncio.run(describe({"weights": str(small_weights)}, Limits()))
    jsonschema.validate(told | {"version": __version__}, schemas["Model"])
    assert set(schemas["Model"]["required"]) == {*told, "version"}
