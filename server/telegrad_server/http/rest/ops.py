"""REST routes of ops: any op of the table, called by name with JSON or msgpack."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from telegrad_protocol import spec
from telegrad_protocol.errors import Malformed, UnknownOp
from telegrad_protocol.spec import BY_INDEX

from . import calls, codec
from .calls import find_op, id_of, op_info
from .codec import PLAIN
from .dependencies import answer, op_stream_of, plain_body
from .op_stream import control_row
from .openapi_fields import ANSWER, BODY, OP, SESSION, OpName, SessionId, TensorId, answers, errors, takes
from .schemas import TENSOR, Backward, Empty, OpCall, OpInfo, OpResult, OpTable, RowTable, checked

router = APIRouter()
_ON_SESSION: Final = errors(SESSION, BODY, OP, ANSWER)


@cache
def _table() -> dict[str, Any]:
    return {"digest": spec.digest(), "ops": [op_info(found) for found in BY_INDEX if found.public]}


@router.get("/v1/ops", tags=["ops"], responses=answers(OpTable, "The table") | errors(ANSWER))
async def list_ops(request: Request) -> Response:
    """Every op that can be called by name, with its signature."""
    return answer(request, _table())


@router.get("/v1/rows", tags=["rows"], responses=answers(RowTable, "The table") | errors(ANSWER))
async def list_rows(request: Request) -> Response:
    """The rows of the binary protocol, for writers of clients: signatures in the order of their codes. See WIRE.md."""
    return answer(request, {"digest": spec.digest(), "rows": [found.signature for found in BY_INDEX]})


@router.get("/v1/ops/{name}", tags=["ops"], responses=answers(OpInfo, "The op") | errors((UnknownOp,), ANSWER))
async def show_op(request: Request, name: OpName) -> Response:
    """One op: signature, documentation, and a JSON schema for every argument."""
    return answer(request, op_info(find_op(name)))


@router.post(
    "/v1/sessions/{session}/ops/{name}",
    tags=["ops"],
    openapi_extra=takes(OpCall),
    responses=answers(OpResult, "What the op gave") | errors((UnknownOp,), SESSION, BODY, OP, ANSWER),
)
async def call_op(request: Request, session_id: SessionId, name: OpName) -> Response:
    """Run an op. Tensors are named `"t5"`; numbers stand as they are, those that are not finite as strings."""
    codec.choose(request.scope, PLAIN)
    op_stream = await op_stream_of(request, session_id)
    wanted = checked(OpCall, await plain_body(request))
    found = await calls.call_op(
        op_stream,
        find_op(name),
        wanted.args,
        large=request.state.large,
        inplace=wanted.inplace,
        grad=wanted.grad,
        free=wanted.free,
    )
    return answer(request, {"result": found})


@router.post(
    "/v1/sessions/{session}/tensors/{tensor}/backward",
    tags=["tensors"],
    openapi_extra=takes(Backward),
    responses=answers(Empty, "The gradients are there") | _ON_SESSION,
)
async def backward(request: Request, session_id: SessionId, tensor_name: TensorId) -> Response:
    """Add the gradients of a tensor to the `grad` of the leaves that it depends on."""
    codec.choose(request.scope, PLAIN)
    op_stream = await op_stream_of(request, session_id)
    wanted = checked(Backward, await plain_body(request))
    gradient = None if wanted.gradient is None else _id_in(wanted.gradient)
    flags = (wanted.retain_graph or wanted.create_graph, wanted.create_graph)
    await op_stream.submit([control_row("backward", None, (id_of(tensor_name),), (gradient,), (), *flags)])
    return answer(request, {})


def _id_in(name: str) -> int:
    if not TENSOR.fullmatch(name):
        raise Malformed("gradient: a tensor is named by its id", argument="gradient", expected="t5", got=name[:50])
    return id_of(name)
