"""/openapi.json: the routes that FastAPI describes, and the fast routes, which it does not see."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from telegrad_protocol.errors import Conflict, StaleEpoch, SubmissionGap
from telegrad_protocol.limits import LIMITS
from telegrad_server.http.security import OPEN_PATHS
from telegrad_server.settings import Settings

from .codec import JSON, MSGPACK, OCTETS
from .openapi_fields import BODY, OP, REFERRED, SESSION, Responses, errors

_REF: Final = "#/components/schemas/"
_SESSION: Final = "/v1/sessions/{session}"


def describe_api(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The whole document; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, description=_INTRODUCTION
        )
        for path, operations in _fast_paths().items():
            document["paths"].setdefault(path, {}).update(operations)
        for operation in _operations(document):
            _without_fastapis_own(operation)
        document["components"]["schemas"] |= REFERRED
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        if settings.tokens:
            _ask_for_token(document)
        app.openapi_schema = document
    return app.openapi_schema


def methods_at(document: dict[str, Any], path: str) -> set[str]:
    """The methods of the routes at a path. A page that the document leaves out has GET only."""
    found: set[str] = set()
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found |= {method.upper() for method in operations}
    return found or {"GET"}


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _without_fastapis_own(operation: dict[str, Any]) -> None:
    """Drop the 422 that FastAPI documents by itself: our validation errors are 400, in the form of all errors."""
    content = operation["responses"].get("422", {}).get("content", {})
    if content.get(JSON, {}).get("schema", {}).get("$ref") == f"{_REF}HTTPValidationError":
        del operation["responses"]["422"]


def _ask_for_token(document: dict[str, Any]) -> None:
    schemes = {"bearer": {"type": "http", "scheme": "bearer", "description": "One of the server's tokens"}}
    document["components"]["securitySchemes"] = schemes
    document["security"] = [{"bearer": []}]
    for path in document["paths"]:
        if path in OPEN_PATHS or path.startswith("/v1/ops/"):
            for operation in document["paths"][path].values():
                operation["security"] = []


# The fast routes ----------------------------------------------------------------------------------------------


def _fast_paths() -> dict[str, Any]:
    streams = f"{_SESSION}/streams/{{stream}}/submissions/{{number}}"
    return {
        streams: {"put": _submit()},
        f"{_SESSION}/uploads/{{upload}}": {"put": _put_upload()},
        f"{_SESSION}/reads/{{read}}": {"get": _get_read(), "delete": _drop_read()},
    }


def _submit() -> dict[str, Any]:
    found = _operation(
        "submit",
        "Send rows. Idempotent: the same number again gives the same reply. WIRE.md specifies rows and replies.",
        _parameter("stream", "A stream of the session", 0),
        _parameter("number", "Counts up from 0 in each stream", 0),
        _parameter("epoch", "Raised after a failure, to go on", 0, where="query"),
        _parameter("ack", "Replies below this number need not be kept any more", 0, where="query"),
        responses=errors(SESSION, BODY, (Conflict, SubmissionGap, StaleEpoch)),
    )
    rows = {"type": "array", "maxItems": LIMITS.rows, "items": {"type": "array", "minItems": 4, "maxItems": 4}}
    found["requestBody"] = _body(MSGPACK, rows, [[0, 1, 7, [3, [2.0]]]])
    reply = {"type": "array", "minItems": 2, "maxItems": 2, "description": "results of reads, and the error or nil"}
    found["responses"]["200"] = _answer("The reply", MSGPACK, reply, [[], None])
    found["responses"]["202"] = {"description": "Still running; send it again to wait on", "content": {MSGPACK: {}}}
    return found


def _put_upload() -> dict[str, Any]:
    found = _operation(
        "upload",
        "Send the bytes of a large tensor, which an `upload` row turns into one.",
        _parameter("upload", "A name that the rows use", 7),
        responses=errors(SESSION, BODY, OP, (Conflict,)),
    )
    found["requestBody"] = _body(OCTETS, {"type": "string", "format": "binary"}, "the tensor's bytes")
    found["responses"]["200"] = _empty("All bytes have come")
    return found


def _get_read() -> dict[str, Any]:
    found = _operation(
        "fetch_read",
        "The bytes of a `read` row whose value was too large for its reply.",
        _parameter("read", "The read's id", 7),
        responses=errors(SESSION, OP),
    )
    binary = {"type": "string", "format": "binary"}
    found["responses"]["200"] = _answer("The bytes", OCTETS, binary, "the tensor's bytes")
    found["responses"]["206"] = _answer("The bytes from the asked one on", OCTETS, binary, "the tensor's bytes")
    return found


def _drop_read() -> dict[str, Any]:
    found = _operation(
        "drop_read", "The bytes have come.", _parameter("read", "The read's id", 7), responses=errors(SESSION)
    )
    found["responses"]["200"] = _empty("Forgotten")
    return found


def _operation(name: str, doc: str, *parameters: dict[str, Any], responses: Responses) -> dict[str, Any]:
    session = {
        "name": "session",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "The session's id",
        "example": "8f2a6c1e9b3d4f70a1b2c3d4e5f60718293a4b5c6d7e8f90",
    }
    failures = {
        str(status): {
            "description": response["description"],
            "content": {kind: {"schema": {"$ref": f"{_REF}ErrorRecord"}} for kind in (JSON, MSGPACK)},
        }
        for status, response in responses.items()
    }
    return {
        "tags": ["rows"],
        "summary": name.replace("_", " ").capitalize(),
        "description": doc,
        "operationId": name,
        "parameters": [session, *parameters],
        "responses": failures,
    }


def _parameter(name: str, doc: str, example: int, where: str = "path") -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1 if name != "stream" else 9999}
    if where == "query":
        schema["default"] = 0
    found = {"name": name, "in": where, "required": where == "path", "schema": schema}
    return {**found, "description": doc, "example": example}


def _body(kind: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema, "example": example}}}


def _answer(description: str, kind: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema, "example": example}}}


def _empty(description: str) -> dict[str, Any]:
    return _answer(description, JSON, {"$ref": f"{_REF}Empty"}, {})


_INTRODUCTION: Final = """\
Open a session, make tensors in it, call ops by name, walk back, read. Bodies are JSON or msgpack, values also .npy;
`content-type` says what is sent and `accept` what is wanted. Every error has the same form and a stable `code`.

    curl -X POST localhost:7465/v1/sessions -H 'content-type: application/json' -d '{}'
"""
