"""Executes rows: each of them whole, or not at all and with an error.

Each plain op has a generated function that executes its rows: the counterpart of the client's binders. It has the
common case inline: one new result, inputs that exist, known metadata. All other cases (first call with these shapes,
mixed dtypes, lists, views, several results, errors) go through `execute_any`, which alone words refusals. Rows that are
no plain ops go to their handlers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from telegrad_protocol.errors import TelegradError, UnknownOp
from telegrad_protocol.kinds import CHECKS, Role
from telegrad_protocol.messages import GRAD, INPLACE, ReadResult, Row
from telegrad_protocol.shapes import PAGE, HasMeta
from telegrad_protocol.spec import BY_INDEX, OpSpec, Param, check_source
from telegrad_server.kernels import IMPLS
from telegrad_server.kernels.registry import OpImpl

from .engine import apply_inplace
from .rows.registry import HANDLERS, RELEASES
from .session import Session
from .tensor import Storage, Tensor
from .transfers import Sent

Execute = Callable[[Any, Any], ReadResult | Sent | None]

_BY_CODE: Final[dict[int, Execute]] = {}
"""The function that executes the rows of an op, by the op's code; filled with the first row of each op."""


def execute(session: Session, row: Row) -> ReadResult | Sent | None:
    """Execute one row."""
    run = _BY_CODE.get(row[0])
    return _first_of_its_op(session, row) if run is None else run(session, row)


def _first_of_its_op(session: Session, row: Row) -> ReadResult | Sent | None:
    index = row[0]
    if not 0 <= index < len(BY_INDEX) or BY_INDEX[index].inner:
        raise UnknownOp(f"there is no op {index}", got=index, expected=f"0 to {len(BY_INDEX) - 1}")
    _BY_CODE[index] = run = _make(index)
    return run(session, row)


def execute_any(session: Session, row: Row) -> ReadResult | Sent | None:
    """Execute any row: the general path."""
    index, flags, outs, wired = row
    spec = BY_INDEX[index]
    args = session.resolve(spec, wired)
    if spec.control or spec.generator_slot is not None or flags & INPLACE:
        return _execute_other(session, spec, Row(*row), args)
    try:
        result = session.engine.apply(IMPLS[spec.name], args, grad=bool(flags & GRAD))
    except MemoryError as error:
        session.refuse_row(spec.name, error)
    session.bind(outs, result, spec.name)
    return None


def _execute_other(session: Session, spec: OpSpec, row: Row, args: tuple[Any, ...]) -> ReadResult | Sent | None:
    """Rows that act on the session, draw random numbers, or write in place."""
    generator = None if spec.generator_slot is None else args[spec.generator_slot]
    drawn = None if generator is None else generator.snapshot()
    try:
        if spec.control:
            return HANDLERS[spec.name](session, row, *args)
        _apply(session, spec, row, args)
        return None
    except BaseException as error:
        if generator is not None:
            generator.restore(drawn)
        if not isinstance(error, MemoryError):
            raise
        session.refuse_row(spec.name, error)


def _apply(session: Session, spec: OpSpec, row: Row, args: tuple[Any, ...]) -> None:
    impl, grad = IMPLS[spec.name], bool(row.flags & GRAD)
    if row.flags & INPLACE:
        apply_inplace(session.engine, impl, args, grad=grad)
    else:
        session.bind(row.outs, session.engine.apply(impl, args, grad=grad), spec.name)


def skip(session: Session, row: Row, error: TelegradError) -> None:
    """Skip a row after a failure: its results fail with the same cause, and what it releases is released.

    If the row itself is wrong, that is not reported: the failure before it was.
    """
    release = RELEASES.get(BY_INDEX[row.op].name) if 0 <= row.op < len(BY_INDEX) else None
    if release is not None:
        with suppress(TelegradError, TypeError):
            release(session, *row.args)
    session.fail_results(row.outs, error)


# Generated functions ------------------------------------------------------------------------------------------------

_EDGE: Final = """\
        if type(t_{0}) is Tensor:
            if t_{0}.base is not None:
                engine.tape.refresh_view(t_{0})
            if t_{0}.requires_grad:
                edges[{1}] = (t_{0}, -1) if t_{0}.node is None else (t_{0}.node, t_{0}.index)
"""

_TO_TAPE: Final = """\
    if flags and meta.floating:
        edges = {{}}
{edges}\
        if edges:
            engine.tape.to_tape(impl, ({values},), edges, out, {aux})
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
{to_tape}\
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
    to_tape = _TO_TAPE.format(edges=edges, values=each("t_"), aux="result[1]" if impl.has_aux else None)
    return _EXECUTE.format(
        name=spec.name,
        names=each("a_"),
        fetch="".join((p.kind.fetch_source or "").format(p.name) for p in tensors),
        key="(" + ", ".join(map(_key, spec.params)) + ",)",
        odd=f" or not ({odd})" if odd else "",
        arrays=each("v_"),
        first="[0]" if impl.has_aux else "",
        same=" or ".join(f"data is {name}" for name in inputs),
        inputs=", ".join(inputs),
        to_tape=to_tape if spec.differentiable else "",
    )


def _unresolved(spec: OpSpec) -> Execute:
    """Executes a row that takes only ids, such as `free`, without resolving them: its handler checks them."""
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


def _make(index: int) -> Execute:
    """The function that executes rows of the op with this code: generated for a plain op, else `execute_any`."""
    spec = BY_INDEX[index]
    if spec.control and spec.params and all(param.kind.role is Role.IDS for param in spec.params):
        return _unresolved(spec)
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
