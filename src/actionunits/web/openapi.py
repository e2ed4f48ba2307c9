"""The description of the HTTP API in OpenAPI 3.1, of which the rows are those of the tidy table."""

from __future__ import annotations

from typing import Any

from actionunits import __version__
from actionunits.reports.schemas import TidySchema
from actionunits.web.analyses import FILES, STATES
from actionunits.web.told import ROWS_FORM

TYPES = {"int": "integer", "float": "number", "double": "number", "text": "string"}
NDJSON = "application/x-ndjson"


def openapi() -> dict[str, Any]:
    """The whole description, as JSON values."""
    id_parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    name_parameter = {"name": "name", "in": "path", "required": True, "schema": {"enum": sorted(FILES)}}
    job = _json_of("Analysis")
    paths = {
        "/v1/analyses": {
            "get": _operation("Every analysis that is kept", {"200": _json_list("Analysis")}),
            "post": _operation(
                "Upload a photograph or video. Accept: application/x-ndjson streams its rows, else a job is told",
                {"202": job, "200": {"description": "rows", "content": {NDJSON: {"schema": _ref("Row")}}}},
            )
            | {"requestBody": {"content": {"multipart/form-data": {"schema": _ref("Upload")}}, "required": True}},
        },
        "/v1/analyses/{id}": {
            "get": _operation("State of an analysis", {"200": job}, id_parameter),
            "delete": _operation("End an analysis and delete all of it", {"204": _plain("gone")}, id_parameter),
        },
        "/v1/analyses/{id}/rows": {
            "get": _operation(
                f"Rows of the tidy table ({ROWS_FORM}) as they are made; the last line tells the end",
                {"200": {"description": "rows", "content": {NDJSON: {"schema": _ref("Row")}}}},
                id_parameter,
            )
        },
        "/v1/analyses/{id}/frames": {
            "get": _operation(
                "Frames with boxes, landmarks and action units, for pages; the last line tells the end",
                {"200": _plain("frames")},
                id_parameter,
            )
        },
        "/v1/analyses/{id}/files/{name}": {
            "get": _operation("One file of the results", {"200": _plain("the file")}, id_parameter, name_parameter)
        },
        "/v1/model": {"get": _operation("Action units that the model reports", {"200": _plain("the model")})},
        "/v1/openapi.json": {"get": _operation("This description", {"200": _plain("OpenAPI 3.1")})},
        "/healthz": {"get": _operation("Whether the service runs", {"200": _plain("ok")}) | {"security": []}},
        "/metrics": {"get": _operation("Numbers of the service as Prometheus reads them", {"200": _plain("text")})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "actionunits", "version": __version__, "description": "Facial action units"},
        "paths": paths,
        "components": {
            "schemas": {"Row": _row(), "Analysis": _analysis(), "Upload": _upload(), "Error": _error()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(summary: str, responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    refused = {"description": "refused", "content": {"application/json": {"schema": _ref("Error")}}}
    return {"summary": summary, "parameters": list(parameters), "responses": {**responses, "4XX": refused}}


def _row() -> dict[str, Any]:
    """Cells are null where a frame has no face, and where the model gives no intensity."""
    always = {"source", "frame", "time_s"}
    properties = {
        column.name: {"type": TYPES[column.kind] if column.name in always else [TYPES[column.kind], "null"]}
        for column in TidySchema.columns
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _analysis() -> dict[str, Any]:
    properties = {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "state": {"enum": list(STATES)},
        "frames": {"type": "integer"},
        "of": {"type": ["integer", "null"]},
        "error": {"type": ["string", "null"]},
        "result": {"type": ["object", "null"]},
        "files": {"type": "array", "items": {"enum": sorted(FILES)}},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _upload() -> dict[str, Any]:
    properties = {
        "file": {"type": "string", "format": "binary", "description": "a photograph or video"},
        "neutral": {"type": "string", "description": "a frame number or a time such as 3.2s of the video"},
        "neutral_file": {"type": "string", "format": "binary", "description": "a picture of the person at rest"},
        "calibrate": {"type": "boolean", "description": "measure from each person's own lower tenth"},
        "annotate": {"type": "boolean", "description": "also draw the results"},
    }
    return {"type": "object", "properties": properties, "required": ["file"]}


def _error() -> dict[str, Any]:
    return {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json_of(name: str) -> dict[str, Any]:
    return {"description": name, "content": {"application/json": {"schema": _ref(name)}}}


def _json_list(name: str) -> dict[str, Any]:
    return {"description": name, "content": {"application/json": {"schema": {"type": "array", "items": _ref(name)}}}}


def _plain(what: str) -> dict[str, str]:
    return {"description": what}
