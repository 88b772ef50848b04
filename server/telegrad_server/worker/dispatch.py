"""Rows of plain ops, carried out by one generated function per op: what the client's binders are on this side.

The generated function does the common case inline: one new result, its inputs there, its metadata known. Everything
else (first call with these shapes, mixed dtypes, lists, views, several results, errors) goes through
`Session.execute_any`, which is also where every refusal is worded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad_protocol.kinds import CHECKS, Role
from telegrad_protocol.messages import GRAD
from telegrad_protocol.shapes import PAGE, HasMeta
from telegrad_protocol.spec import BY_INDEX, OpSpec, Param, check_source
from telegrad_server.kernels import IMPLS
from telegrad_server.kernels.registry import OpImpl

from .controls import HANDLERS
from .tensor import Storage, Tensor

Execute = Callable[[Any, Any], Any]

_EDGE: Final = """\
        if type(t_{0}) is Tensor:
            if t_{0}.base is not None:
                engine.settle(t_{0})
            if t_{0}.requires_grad:
                edges[{1}] = (t_{0}, -1) if t_{0}.node is None else (t_{0}.node, t_{0}.index)
"""

_RECORD: Final = """\
    if flags and meta.floating:
        edges = {{}}
{edges}\
        if edges:
            engine.record_one(impl, ({values},), edges, out, {aux})
"""

_EXECUTE: Final = """\
def {name}(session, row):
    op, flags, out_id, args = row
    tensors = session.tensors
    try:
        {names}, = args
{fetch}\
        inferred = memo[{key}]
    except (KeyError, AttributeError, TypeError, ValueError):
        return execute_any(session, row)
    if flags > GRAD or type(out_id) is not int or inferred.compute is not None{odd}:
        return execute_any(session, row)
    meta = inferred[0][0]
    nbytes = meta.nbytes
    engine = session.engine
    try:
        if nbytes > PAGE:
            engine.budget.check(nbytes, {name!r})
        result = run(engine.xp, {arrays})
        data = engine.xp.dense(result{first})
        if data.base is not None or {same}:
            data = engine.xp.apart(data, ({inputs}, ))
        if not meta.full:
            data = engine.xp.exact(data, meta.dtype)
        out = Tensor(data, meta, Storage(nbytes, engine.budget))
    except Exception as error:
        session.refuse(impl, error)
{record}\
    tensors[out_id] = out
"""


def _key(param: Param) -> str:
    return f"k_{param.name}" if param.kind.holds_tensors else param.kind.key(f"a_{param.name}")


def _is_plain(impl: OpImpl) -> bool:
    """Whether the op has one new result of static shape, and arguments that travel as they are used."""
    spec = impl.spec
    plain = impl.run is not None and impl.simple and not spec.decoders and spec.generator_slot is None
    fetched = all(spec.params[slot].kind.fetch_source is not None for slot in spec.tensor_slots)
    return plain and fetched and bool(spec.tensor_slots)


def _source(impl: OpImpl) -> str:
    spec = impl.spec
    tensors = [spec.params[slot] for slot in spec.tensor_slots]

    def each(prefix: str) -> str:
        return ", ".join((prefix if p in tensors else "a_") + p.name for p in spec.params)

    inputs = [f"v_{param.name}" for param in tensors]
    edges = "".join(_EDGE.format(spec.names[slot], slot) for slot in spec.tensor_slots)
    odd = check_source(spec, "a_{0}")
    record = _RECORD.format(edges=edges, values=each("t_"), aux="result[1]" if impl.has_aux else None)
    return _EXECUTE.format(
        name=spec.name,
        names=each("a_"),
        fetch="".join(p.kind.fetch_source.format(p.name) for p in tensors),
        key="(" + ", ".join(map(_key, spec.params)) + ",)",
        odd=f" or not ({odd})" if odd else "",
        arrays=each("v_"),
        first="[0]" if impl.has_aux else "",
        same=" or ".join(f"data is {name}" for name in inputs),
        inputs=", ".join(inputs),
        record=record if spec.differentiable else "",
    )


def _as_it_came(spec: OpSpec, execute_any: Execute) -> Execute:
    """A row that takes nothing but ids, which its handler checks: frees are as many as other rows."""
    handler, count = HANDLERS[spec.name], len(spec.params)

    def execute(session: Any, row: Any) -> Any:
        args = row[3]
        if len(args) != count:
            return execute_any(session, row)
        try:
            return handler(session, row, *args)
        except MemoryError as error:
            session.refuse_row(spec.name, error)

    return execute


def make(index: int, execute_any: Execute) -> Execute:
    """What carries out rows of the op with this code; generated for a plain op, `execute_any` for the rest."""
    spec = BY_INDEX[index]
    if spec.control and spec.params and all(param.kind.role is Role.IDS for param in spec.params):
        return _as_it_came(spec, execute_any)
    impl = IMPLS.get(spec.name)
    if impl is None or not _is_plain(impl):
        return execute_any
    scope: dict[str, Any] = {
        "GRAD": GRAD,
        "PAGE": PAGE,
        "HasMeta": HasMeta,
        "Storage": Storage,
        "Tensor": Tensor,
        **CHECKS,
        "execute_any": execute_any,
        "impl": impl,
        "memo": spec.memo,
        "run": impl.run,
    }
    exec(compile(_source(impl), f"<telegrad row {spec.name}>", "exec"), scope)
    made: Execute = scope[spec.name]
    return made
