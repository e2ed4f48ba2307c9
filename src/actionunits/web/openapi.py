"""The description of the HTTP API in OpenAPI 3.1, of which the rows are those of the tidy table."""

from __future__ import annotations

from typing import Any

from actionunits import __version__
from actionunits.reports.schemas import TidySchema
from actionunits.web.analyses import FILES, STATES
from actionunits.web.told import ROWS_FORM
from actionunits.web.uploads import FRAME_OR_TIME

TYPES = {"int": "integer", "float": "number", "double": "number", "text": "string"}
NDJSON = "application/x-ndjson"
STRING, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
ABOUT = (
    "Facial action units of photographs and videos. /v1/live is a WebSocket for a webcam: send eight bytes of time "
    "in seconds (float64, big-endian) and a JPEG or WebP, and get a Frame as JSON for each picture that was looked "
    "at; the text `neutral` makes resting faces of the present ones, `calibrate` takes those that are shown up to "
    "each picture, and `forget` drops them."
)


def openapi() -> dict[str, Any]:
    """The whole description, as JSON values."""
    id_parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    name_parameter = {"name": "name", "in": "path", "required": True, "schema": {"enum": sorted(FILES)}}
    job = _answer("the analysis", "application/json", _ref("Analysis"))
    rows = _answer("one JSON value a line: Head, then each Row, then End", NDJSON, _one_of("Head", "Row", "End"))
    frames = _answer(
        "one JSON value a line: Head, then each Frame, then End", NDJSON, _one_of("Head", "Frame", "End")
    )
    files = {"description": "the file", "content": {_plain_kind(kind): {} for _, _, kind in FILES.values()}}
    paths = {
        "/v1/analyses": {
            "get": _operation("Every analysis that is kept", {"200": _list_of("Analysis")}),
            "post": _operation(
                "Upload a photograph or video. Accept: application/x-ndjson streams its rows, else a job is told",
                {"202": job | {"headers": {"Location": _header("string")}}, "200": rows, "503": _refused(wait=True)},
            )
            | {"requestBody": {"content": {"multipart/form-data": {"schema": _ref("Upload")}}, "required": True}},
        },
        "/v1/analyses/{id}": {
            "get": _operation("State of an analysis", {"200": job}, id_parameter),
            "delete": _operation(
                "End an analysis and delete all of it", {"204": {"description": "gone"}}, id_parameter
            ),
        },
        "/v1/analyses/{id}/rows": {
            "get": _operation(f"Rows of the tidy table ({ROWS_FORM}) as they are made", {"200": rows}, id_parameter)
        },
        "/v1/analyses/{id}/frames": {
            "get": _operation("Frames with boxes, landmarks and action units", {"200": frames}, id_parameter)
        },
        "/v1/analyses/{id}/files/{name}": {
            "get": _operation("One file of the results", {"200": files}, id_parameter, name_parameter)
        },
        "/v1/model": {
            "get": _operation("What the model reports", {"200": _answer("it", "application/json", _ref("Model"))})
        },
        "/v1/openapi.json": {
            "get": _operation("This description", {"200": _answer("it", "application/json", {"type": "object"})})
        },
        "/healthz": {"get": _operation("Whether the service runs", {"200": _text("ok")}) | {"security": []}},
        "/metrics": {"get": _operation("Counts as Prometheus reads them", {"200": _text("counts")})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "actionunits", "version": __version__, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": {
                "Row": _row(),
                "Analysis": _analysis(),
                "Upload": _upload(),
                "Error": _error(),
                "Head": _head(),
                "End": _end(),
                "Frame": _frame(),
                "Face": _face(),
                "Model": _model(),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(summary: str, responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "parameters": list(parameters), "responses": {**responses, "4XX": _refused()}}


def _refused(wait: bool = False) -> dict[str, Any]:
    answer = _answer("refused, in one line", "application/json", _ref("Error"))
    return answer | {"headers": {"Retry-After": _header("integer")}} if wait else answer


def _row() -> dict[str, Any]:
    """Cells are null where a frame has no face, and where the model gives no intensity."""
    always = {"source", "frame", "time_s"}
    properties = {
        column.name: {"type": TYPES[column.kind] if column.name in always else [TYPES[column.kind], "null"]}
        for column in TidySchema.columns
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _analysis() -> dict[str, Any]:
    return _object(
        id=STRING,
        name=STRING,
        state={"enum": list(STATES)},
        frames=COUNT,
        of={"type": ["integer", "null"], "description": "frames in all, where that is known"},
        error={"type": ["string", "null"]},
        result={"type": ["object", "null"], "description": "once it is done: some fields of the run card"},
        files={"type": "array", "items": {"enum": sorted(FILES)}},
    )


def _upload() -> dict[str, Any]:
    fields = _object(
        file={"type": "string", "format": "binary", "description": "a photograph or video"},
        neutral={
            "type": "string",
            "pattern": f"^({FRAME_OR_TIME.pattern})?$",
            "description": "a frame number or a time such as 3.2s of the video",
        },
        neutral_file={"type": "string", "format": "binary", "description": "a picture of the person at rest"},
        calibrate={"type": "boolean", "description": "measure from each person's own resting face"},
        annotate={"type": "boolean", "description": "also draw the results"},
    )
    given, asked = {"neutral": {"minLength": 1}}, {"calibrate": {"const": True}}
    exclude_each_other = [
        {"required": ["neutral", "neutral_file"], "properties": given},
        {"required": ["neutral", "calibrate"], "properties": given | asked},
        {"required": ["neutral_file", "calibrate"], "properties": asked},
    ]
    alone = [{"not": both} for both in exclude_each_other]
    return fields | {"required": ["file"], "additionalProperties": False, "allOf": alone}


def _error() -> dict[str, Any]:
    return _object(error=STRING)


def _head() -> dict[str, Any]:
    """The first line; of rows it tells their form."""
    columns = {"type": "array", "items": STRING}
    return _object(id=STRING, schema={"const": ROWS_FORM}, columns=columns) | {"required": ["id"]}


def _end() -> dict[str, Any]:
    """The last line, without which a stream broke off."""
    ends = ["done", "failed", "removed"]
    return _object(end={"enum": ends}, error={"type": ["string", "null"]}, damage={"type": ["string", "null"]})


def _frame() -> dict[str, Any]:
    size = _numbers("width and height in pixels")
    faces = {"type": "array", "items": _ref("Face")}
    return _object(frame=COUNT, time_s={"type": "number"}, size=size, faces=faces)


def _face() -> dict[str, Any]:
    """Lists of action units have the order of `/v1/model`; null is what is not known."""
    face = _object(
        id=COUNT,
        box=_numbers("left, top, right, bottom in pixels"),
        points=_numbers("68 landmarks in pixels: x, y, x, y, ..."),
        confidence={"type": "number"},
        pose=_numbers("pitch, yaw, roll in degrees"),
        prob=_numbers("of each action unit"),
        intensity=_numbers("of each action unit, 0 to 5"),
        present={"type": "array", "items": {"enum": [0, 1]}},
        usable={"enum": [0, 1]},
        quality={"type": "array", "items": STRING, "description": "what speaks against relying on it"},
        sides={"type": "array", "items": _numbers("left and right of the person"), "description": "where known"},
    )
    return face | {"required": [name for name in face["required"] if name != "sides"]}


def _model() -> dict[str, Any]:
    unit = _object(label=STRING, number=COUNT, name=STRING, muscles=STRING, appearance=STRING)
    return _object(
        model=STRING,
        sha256=STRING,
        version=STRING,
        aus={"type": "array", "items": unit},
        thresholds=_numbers("probability from which each action unit counts as present"),
        letters={"type": "string", "description": "one for each rounded intensity from 0 on"},
        sides={"type": "boolean", "description": "whether left and right are told"},
        neutral={"type": "boolean", "description": "whether a resting face can be set"},
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _numbers(what: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": ["number", "null"]}, "description": what}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_of(*names: str) -> dict[str, Any]:
    return {"anyOf": [_ref(name) for name in names]}


def _answer(what: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": schema}}}


def _list_of(name: str) -> dict[str, Any]:
    return _answer("all of them", "application/json", {"type": "array", "items": _ref(name)})


def _text(what: str) -> dict[str, Any]:
    return _answer(what, "text/plain", STRING)


def _plain_kind(kind: str) -> str:
    return kind.partition(";")[0]


def _header(kind: str) -> dict[str, Any]:
    return {"schema": {"type": kind}}
