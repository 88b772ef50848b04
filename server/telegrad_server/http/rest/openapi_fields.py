"""The fields that a route adds to the OpenAPI document: its errors, its body and its answers in every type."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import BaseModel

from telegrad_protocol.errors import (
    Forbidden,
    InternalError,
    Malformed,
    NotAcceptable,
    NotFound,
    OpError,
    OutOfMemory,
    SessionGone,
    TelegradError,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnknownTensor,
    WorkerDied,
    WrongContentType,
)

from .codec import JSON, MSGPACK
from .schemas import TENSOR, ErrorRecord

Responses = dict[int | str, dict[str, Any]]

REFERRED: Final[dict[str, Any]] = {}
"""Schemas that those of bodies refer to."""

SessionId = Annotated[
    str,
    Path(
        alias="session", description="The session's id", examples=["8f2a6c1e9b3d4f70a1b2c3d4e5f60718293a4b5c6d7e8f90"]
    ),
]
TensorId = Annotated[str, Path(alias="tensor", description="A tensor's id", pattern=TENSOR.pattern, examples=["t1"])]
OpName = Annotated[str, Path(description="An op of the table", examples=["mul"])]

ANY = (Malformed, Unauthorized, Forbidden, NotFound, InternalError, Unavailable, WorkerDied)
SESSION = (SessionGone, TooMany)
BODY = (TooLarge, WrongContentType)
OP = (OpError, UnknownTensor, OutOfMemory)
ANSWER = (NotAcceptable,)


def errors(*groups: tuple[type[TelegradError], ...]) -> Responses:
    """The error answers of a route, beside those that every route has."""
    found: dict[int | str, list[str]] = {}
    for cls in [cls for group in (ANY, *groups) for cls in group]:
        found.setdefault(cls.status, []).append(f"`{cls.code}`")
    return {status: error_response(", ".join(codes)) for status, codes in sorted(found.items())}


def error_response(description: str) -> dict[str, Any]:
    content = {JSON: {}, MSGPACK: {"schema": {"$ref": "#/components/schemas/ErrorRecord"}}}
    return {"model": ErrorRecord, "description": description, "content": content}


def answers(model: type[BaseModel], description: str, further: dict[str, Any] | None = None) -> Responses:
    """A successful answer in JSON and msgpack, and in further types."""
    ref = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {JSON: {}, MSGPACK: {"schema": ref}, **(further or {})}
    return {200: {"model": model, "description": description, "content": content}}


def struct(**fields: Any) -> dict[str, Any]:
    """A struct of the row protocol: a msgpack array of these fields in this order, with an example of each."""
    size = {"minItems": len(fields), "maxItems": len(fields)}
    schema = {"type": "array", **size, "items": {}, "description": f"[{', '.join(fields)}]"}
    return {MSGPACK: {"schema": schema, "example": list(fields.values())}}


def takes(model: type[BaseModel], further: dict[str, Any] | None = None, *, required: bool = True) -> dict[str, Any]:
    """The body that a route decodes by itself, in JSON and msgpack and further types."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    REFERRED.update(schema.pop("$defs", {}))
    examples = {f"example{i}": {"value": value} for i, value in enumerate(schema.pop("examples", []), 1)}
    content = {kind: {"schema": schema, "examples": examples} for kind in (JSON, MSGPACK)}
    return {"requestBody": {"required": required, "content": content | (further or {})}}
