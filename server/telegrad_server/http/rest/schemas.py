"""The bodies of the REST routes: schemas for the documentation, and for checking requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from telegrad_protocol.dtypes import BY_NAME
from telegrad_protocol.errors import CODES, Malformed
from telegrad_protocol.limits import LISTED

TENSOR: Final = re.compile(r"^t[0-9]{1,15}$")

DTYPES = sorted(BY_NAME)
_OP_EXAMPLE = {
    "name": "neg",
    "signature": "neg(input: Tensor) -> Tensor",
    "doc": "Negates `input`.",
    "family": "arithmetic",
    "params": [
        {
            "name": "input",
            "type": "Tensor",
            "required": True,
            "keyword_only": False,
            "schema": {"type": "string", "pattern": "^t[0-9]+$"},
        }
    ],
    "returns": ["out"],
    "inplace": True,
    "view": False,
    "differentiable": True,
    "control": False,
}
_TENSOR_EXAMPLE = {"id": "t1", "dtype": "float32", "shape": [2, 2], "requires_grad": True, "bytes": 16}


def _shown(*examples: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


def _strict(*examples: Any) -> ConfigDict:
    return ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": list(examples)})


class ErrorRecord(BaseModel):
    """Every error: a stable code, what happened, where, and what to do."""

    model_config = _shown(
        {
            "code": "bad_shape",
            "message": "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
            "op": "add",
            "request": "5f0c1e2d3b4a",
        }
    )
    code: str = Field(description="Stable; a program may branch on it", json_schema_extra={"enum": [*sorted(CODES)]})
    message: str
    op: Any = Field(None, description="The op that failed")
    argument: Any = Field(None, description="The argument, header or field that is wrong")
    expected: Any = Field(None, description="What would have been right")
    got: Any = Field(None, description="What came instead")
    hint: Any = Field(None, description="What to do")
    row: Any = Field(None, description="The failing row's place in a submission")
    calls: Any = Field(None, description="Of a list of calls: what became of each")
    request: str = Field(description="The id under which the server logs this request")


class Empty(BaseModel):
    """Nothing to tell."""

    model_config = _strict({})


class Health(BaseModel):
    model_config = _shown({"status": "ok"}, {"status": "degraded", "down": ["cuda:0"]})
    status: Literal["ok", "degraded"]
    down: list[str] = Field([], description="Devices whose worker has died and is being started again")


class Hello(BaseModel):
    """What a caller may say of itself; a plain HTTP caller sends `{}`: stream 0 then serves its single calls."""

    model_config = _strict({}, {"protocol": 1, "package": "0.1.0"})
    protocol: int | None = Field(None, description="Protocol version that the caller speaks")
    package: str | None = Field(None, description="Version of the caller's package")
    digest: str | None = Field(None, description="Fingerprint of the caller's op table, if it sends rows")
    device: str = Field(
        "cpu",
        description="Where single calls make tensors",
        json_schema_extra={"pattern": "^(cpu|cuda(:[0-9]{1,3})?)$"},
    )


class Opened(BaseModel):
    """A session; every path below `/v1/sessions/{session}` belongs to it."""

    model_config = _shown(
        {
            "session": "8f2a6c1e9b3d4f70a1b2c3d4e5f60718293a4b5c6d7e8f90",
            "stream": 0,
            "first_id": 1,
            "lease": 60.0,
            "server": "8f2a6c1e9b3d4f70",
            "package": "0.1.0",
            "devices": ["cpu"],
        }
    )
    session: str = Field(description="A secret: whoever has it, and the token, has the tensors")
    stream: int
    first_id: int = Field(description="Where the stream's tensor ids begin")
    lease: float = Field(description="Seconds without a request after which the session ends")
    server: str = Field(description="Changes when the server is restarted")
    package: str
    devices: list[str]


class OpenedStream(BaseModel):
    """A further stream of a session."""

    model_config = _shown({"stream": 1, "first_id": 1099511627777})
    stream: int
    first_id: int = Field(description="Where the stream's tensor ids begin")


class Info(BaseModel):
    """What this server is."""

    model_config = _shown(
        {
            "protocol": 1,
            "package": "0.1.0",
            "digest": "5d7f0a93c6b1e2484f0d9c3b7a6e5f12",
            "server": "8f2a6c1e9b3d4f70",
            "devices": ["cpu"],
            "sessions": 1,
            "memory": {"cpu": {"bytes_used": 16, "bytes_peak": 4096, "bytes_limit": 8589934592}},
        }
    )
    protocol: int
    package: str
    digest: str = Field(description="Fingerprint of the op table")
    server: str = Field(description="Changes when the server is restarted")
    devices: list[str]
    sessions: int
    memory: dict[str, dict[str, int] | None] = Field(
        description="Per device bytes of tensors: in use, at most so far, and the limit; null while its worker is down"
    )


class Lease(BaseModel):
    model_config = _shown({"lease": 60.0})
    lease: float = Field(description="Seconds without a request after which the session ends")


class NewTensor(BaseModel):
    """A tensor's elements: numbers in nested lists or, in msgpack, bytes with a dtype and a shape."""

    model_config = _strict({"data": [[1.0, 2.0], [3.0, 4.0]], "dtype": "float32", "requires_grad": True})
    data: Any = Field(description="A number or nested lists of numbers; 'nan', 'inf' and '-inf' are numbers")
    dtype: str | None = Field(
        None,
        description="Otherwise float32, int64 or bool, by what the numbers are",
        json_schema_extra={"anyOf": [{"enum": [*DTYPES]}, {"type": "null"}]},
    )
    shape: Sequence[int] | None = Field(None, description="With bytes; lists have their own")
    requires_grad: bool = False


class TensorInfo(BaseModel):
    """A tensor without its elements."""

    model_config = _shown(_TENSOR_EXAMPLE)
    id: str = Field(pattern=TENSOR.pattern)
    dtype: str = Field(json_schema_extra={"enum": [*DTYPES]})
    shape: list[int]
    requires_grad: bool
    bytes: int


class PlacedTensor(TensorInfo):
    """A tensor of a listing, with the device that has it."""

    device: str


class TensorList(BaseModel):
    """A page of the session's tensors, of all its devices, by their ids."""

    model_config = _shown({"tensors": [{**_TENSOR_EXAMPLE, "device": "cpu"}], "next": None})
    tensors: list[PlacedTensor]
    next: str | None = Field(description="What `after` should be for the page after this; null on the last")


class ValueBody(BaseModel):
    """A tensor with its elements."""

    model_config = _shown({"dtype": "float32", "shape": [2, 2], "data": [[1.0, 2.0], [3.0, 4.0]]})
    dtype: str = Field(json_schema_extra={"enum": [*DTYPES]})
    shape: list[int]
    data: Any = Field(description="A number or nested lists; what is not finite is 'nan', 'inf' or '-inf'")


class OpCall(BaseModel):
    """An op's arguments: by name, or in the order of its signature. A tensor stands as its id."""

    model_config = _strict({"args": {"input": "t1", "other": "t2"}}, {"args": ["t1", 2.0]})
    args: Mapping[str, Any] | Sequence[Any] = Field(default_factory=dict)
    inplace: bool = Field(False, description="Write the result into the first argument")
    grad: bool = Field(True, description="False: do not record, as within torch.no_grad()")
    free: Sequence[str] = Field((), max_length=LISTED, description="Tensors to forget once the call is done")


class GeneratorInfo(BaseModel):
    generator: int = Field(description="Stands for the generator where an op takes one")


class OpResult(BaseModel):
    """What an op gave: a tensor, several, or nothing."""

    model_config = _shown({"result": {**_TENSOR_EXAMPLE, "id": "t3"}})
    result: TensorInfo | list[TensorInfo] | GeneratorInfo | None


class Backward(BaseModel):
    """How to walk back; a tensor of one element needs no gradient of its own."""

    model_config = _strict({}, {"gradient": "t2", "retain_graph": True})
    gradient: str | None = Field(
        None,
        description="The id of the gradient to begin with",
        json_schema_extra={"anyOf": [{"type": "string", "pattern": TENSOR.pattern}, {"type": "null"}]},
    )
    retain_graph: bool = Field(False, description="Keep the graph, so that it can be walked again")
    create_graph: bool = Field(False, description="Record the gradients themselves, for higher orders")


_GIVEN = "Stands for the result in later calls of the list: any word that is no id and no number"


class ListedOp(OpCall):
    """An op of a list of calls."""

    model_config = _strict({"op": "matmul", "args": ["t1", "t3"], "name": "found"})
    op: str
    name: str | Sequence[str] | None = Field(None, description=f"{_GIVEN}; a list where there are several")


class ListedTensor(NewTensor):
    """A tensor made within a list of calls."""

    model_config = _strict({"data": [[1.0], [2.0]], "name": "x"})
    name: str | None = Field(None, description=_GIVEN)


class ListedBackward(Backward):
    """A walk back within a list of calls."""

    model_config = _strict({"backward": "loss"})
    backward: str = Field(description="The tensor to begin at")
    gradient: str | None = Field(None, description="The gradient to begin with")


def _kind_of(call: Any) -> str | None:
    """The kind of a call of a list, by the field that only this kind has."""
    if isinstance(call, Mapping):
        return next((key for key in ("op", "backward", "data") if key in call), None)
    kinds: dict[type, str] = {ListedOp: "op", ListedBackward: "backward", ListedTensor: "data"}
    return kinds.get(type(call))


Listed = Annotated[
    Annotated[ListedOp, Tag("op")] | Annotated[ListedBackward, Tag("backward")] | Annotated[ListedTensor, Tag("data")],
    Discriminator(
        _kind_of, custom_error_type="no_call", custom_error_message="A call has a field 'op', 'backward' or 'data'"
    ),
]


class CallList(BaseModel):
    """Calls that are done in this order, then values that are wanted back, then tensors to forget.

    Calls, `read` and `free` may name results of calls before them. The first call that fails ends the list: those before
    it have been done, those after it have not, nothing was freed, and what the list has made is gone.
    """

    model_config = _strict(
        {
            "calls": [
                {"op": "matmul", "args": ["t1", "t3"], "name": "found"},
                {"op": "mse_loss", "args": ["found", "t2"], "name": "loss"},
                {"backward": "loss"},
                {"op": "sgd_step", "args": {"params": ["t3"], "state": [], "lr": 0.1}},
                {"op": "clear_grads", "args": [["t3"]]},
            ],
            "read": ["loss"],
            "free": ["found", "loss"],
        }
    )
    calls: Sequence[Listed] = Field(min_length=1, max_length=LISTED)
    read: Sequence[str] = Field((), max_length=LISTED, description="Tensors whose values are wanted back")
    free: Sequence[str] = Field((), max_length=LISTED, description="Tensors to forget once everything is done")


class CallTold(BaseModel):
    """What became of a call of a list."""

    status: Literal["done", "failed", "not_run"]
    result: TensorInfo | list[TensorInfo | None] | GeneratorInfo | None = Field(
        None, description="Of a call that is done: as that call alone tells it, null for what was freed"
    )
    error: Any = Field(None, description="Of the call that failed: its record")


class ListTold(BaseModel):
    """What a list of calls gave."""

    model_config = _shown(
        {
            "calls": [{"status": "done", "result": {**_TENSOR_EXAMPLE, "id": "t4"}}],
            "values": {"loss": {"dtype": "float32", "shape": [], "data": 0.25}},
        }
    )
    calls: list[CallTold]
    values: dict[str, ValueBody] = Field(description="What `read` asked for, by the names used there")


class ParamInfo(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    name: str
    type: str = Field(description="As in the signature")
    required: bool
    keyword_only: bool
    schema_: dict[str, Any] = Field(alias="schema", description="JSON schema of the argument")
    default: Any = Field(None, description="Absent where the argument is required")


class OpInfo(BaseModel):
    """An op of the table."""

    model_config = _shown(_OP_EXAMPLE)
    name: str
    signature: str
    doc: str
    family: str = Field(description="The group that the op belongs to")
    params: list[ParamInfo]
    returns: list[str] | None = Field(description="Names of the results; null where arguments decide their number")
    inplace: bool = Field(description="Whether it can write into its first argument")
    view: bool = Field(description="Whether the result may share the input's memory")
    differentiable: bool
    control: bool = Field(description="Whether it acts on the session, instead of being a function of tensors")


class RowTable(BaseModel):
    model_config = _shown({"digest": "5d7f0a93c6b1e2484f0d9c3b7a6e5f12", "rows": [_OP_EXAMPLE["signature"]]})
    digest: str = Field(description="Fingerprint of the table")
    rows: list[str] = Field(description="Signatures in the order of the rows' codes")


class OpTable(BaseModel):
    model_config = _shown({"digest": "5d7f0a93c6b1e2484f0d9c3b7a6e5f12", "ops": [_OP_EXAMPLE]})
    digest: str = Field(description="Fingerprint of the table")
    ops: list[OpInfo]


Body = TypeVar("Body", bound=BaseModel)


def checked(model: type[Body], value: Any) -> Body:
    """The body as its model. Raises `Malformed`, naming the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        got = repr(first.get("input"))[:100]
        raise Malformed(f"{field}: {first['msg']}", argument=field, got=got) from None
