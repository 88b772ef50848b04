"""Recording: what turns a call into a row. One generated function per op, so that CPython binds the arguments.

The generated function does the common case inline, from metadata that was inferred before; everything else (first
call with these shapes, lists, views, several results, errors) goes through `record`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from textwrap import indent
from typing import Any, Final

import numpy as np

from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.dtypes import FLOAT
from telegrad_protocol.errors import AutogradError, DeviceError, OpTypeError, UnsupportedOp
from telegrad_protocol.kinds import Role
from telegrad_protocol.messages import GRAD, INPLACE
from telegrad_protocol.rules import check_history, check_inplace, check_overlap, frozen_view
from telegrad_protocol.spec import OPS, Inferred, OpSpec, Param

from . import _host
from ._frames import hide_frames
from ._leaves import UNIONS, LeafSet, joined, union
from ._modes import born, grad_mode
from ._sites import USERS_FILES, caller, outside, warn
from ._stream import Stream
from ._types import TensorBase
from ._waiting import Change

stream: Final = Stream()


def upload(tensor: TensorBase) -> int:
    """The id of a tensor that has none yet: its values leave the host now."""
    return tensor._send()


# The general path ---------------------------------------------------------------------------------------------


def record(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Record a call of any op on arguments in declared order; raises locally what metadata tells."""
    if spec.dtype_slot is not None and isinstance(args[spec.dtype_slot], str):
        raise OpTypeError(f"{spec.shown}(): argument 'dtype' must be torch.dtype, not str", op=spec.name)
    args = spec.convert(args)
    if len(spec.tensor_slots) > 1 or spec.takes_lists:
        args = on_one_device(spec, args)
    if not spec.static_shape:
        return _record_unsettled(spec, args)
    inferred = spec.infer(args)
    if inferred.warning is not None:
        warn(inferred.warning)
    outs = tuple([stream.next_id() for _ in inferred.metas])
    leaves = leaves_of(spec, args) if grad_mode.on and spec.differentiable else None
    results = _wrap(spec, args, inferred, outs, leaves)
    append(spec, args, outs[0] if spec.returns == ("out",) else outs)
    return results[0] if spec.returns == ("out",) else _several(spec, results)


def _record_or_not(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """As `record`, for an operator: operands of a foreign type are left to the other side, but for NumPy's."""
    if isinstance(args[1], np.ndarray):
        args = (*_host.beside(args[0], args[1]), *args[2:])
    try:
        return record(spec, args)
    except OpTypeError:
        if _may_stand(spec, args):
            raise
        return NotImplemented


def _may_stand(spec: OpSpec, args: tuple[Any, ...]) -> bool:
    """Whether operands are of the types that the op takes in their places."""
    kinds = zip(spec.params, args, strict=True)
    numbers = bool | int | float
    return all(isinstance(v, TensorBase if p.kind.role is Role.TENSOR else TensorBase | numbers) for p, v in kinds)


def _wrap(
    spec: OpSpec, args: tuple[Any, ...], inferred: Inferred, outs: tuple[int, ...], leaves: LeafSet | None
) -> tuple[TensorBase, ...]:
    results = []
    offsets = inferred.offset if isinstance(inferred.offset, tuple) else (inferred.offset,) * len(outs)
    for number, (name, meta, offset) in enumerate(zip(outs, inferred.metas, offsets, strict=True)):
        result = born(TensorBase.make(name, meta))
        flows = leaves if leaves is None or not spec.separate else args[spec.tensor_slots[0]][number]._leaves
        if flows is not None and meta.dtype.category == FLOAT:
            _join_graph(result, spec, args, flows)
        if offset is not None:
            _make_view(spec, number, result, args[spec.tensor_slots[0]], offset)
        results.append(result)
    return tuple(results)


def _join_graph(result: TensorBase, spec: OpSpec, args: tuple[Any, ...], leaves: LeafSet) -> None:
    """Let a result be one that gradients flow through: it holds what its graph does."""
    result._leaves, result._fn = leaves, spec.name
    if any(tensor._pressing for tensor in _tensors(spec, args)):
        leaves.large = True
    if leaves.large:
        result._pressing = True


def _make_view(spec: OpSpec, number: int, view: TensorBase, source: TensorBase, offset: int) -> None:
    view._pressing = True
    view._offset = source._offset + offset
    if spec.detached:
        view._memory, view._own_version = source.root, spec.own_version
    else:
        view._base = source.base
        frozen = frozen_view(spec, grad_mode.on, number) or source._frozen
        if frozen is not None:
            view._frozen = frozen
    source.root.add_alias(view)


def _record_unsettled(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Shapes depend on values: the results learn theirs when somebody asks."""
    bound = spec.infer(args)
    outs = tuple([stream.next_id() for _ in spec.returns or ()])
    leaves = leaves_of(spec, args) if grad_mode.on and spec.differentiable else None
    results = []
    for name, meta in zip(outs, bound.metas, strict=True):
        result = born(TensorBase.make(name, None))
        result._device_bits = meta.device_bits
        if leaves is not None and meta.dtype.category == FLOAT:
            _join_graph(result, spec, args, leaves)
        results.append(result)
    append(spec, args, outs[0] if spec.returns == ("out",) else outs)
    return results[0] if spec.returns == ("out",) else _several(spec, tuple(results))


def _several(spec: OpSpec, results: tuple[TensorBase, ...]) -> Any:
    return results if spec.returns is None else return_type(spec)(*results)


_return_types: dict[str, Any] = {}


def return_type(spec: OpSpec) -> Any:
    """The named tuple of an op with several results, as PyTorch's `return_types`."""
    if spec.name not in _return_types:
        from collections import namedtuple

        _return_types[spec.name] = namedtuple(spec.name.strip("_"), spec.returns or ())
    return _return_types[spec.name]


def inplace(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Record a call whose result is written into the first argument."""
    args = on_one_device(spec, spec.convert(args, f"{spec.shown}_"))
    target: TensorBase = args[0]
    if not spec.inplace:
        raise UnsupportedOp(f"{spec.name} has no in-place variant", op=spec.name)
    if target.root._inference and not grad_mode.inference:
        raise AutogradError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.",
            op=spec.name,
        )
    leaves = leaves_of(spec, args) if grad_mode.on else None
    if leaves is not None:
        check_history(
            spec.name,
            leaf=target.is_leaf_with_grad,
            of_leaf=target._base is not None and target._leaves is not None and target._base.is_leaf_with_grad,
            frozen=target._frozen,
        )
    check_inplace(spec, spec.infer(args).metas[0], target._meta)
    if spec.elementwise:
        for other in args[1:]:
            if isinstance(other, TensorBase) and other.root is target.root:
                check_overlap(spec.name, target._meta, target._offset, other._meta, other._offset)
    if target._meta.dtype.category != FLOAT:
        leaves = None
    if leaves is not None and (leaves.large or any(tensor._pressing for tensor in _tensors(spec, args))):
        target._pressing = True
    append(spec, args, None, INPLACE, target.written(leaves, spec.name))
    return target


def append(spec: OpSpec, args: tuple[Any, ...], outs: Any, flags: int = 0, change: Change | None = None) -> None:
    """Put a row on the stream, with what the call changes on this side."""
    row = as_row(spec, args, outs, flags)
    if change is not None:
        append_all([row], change)
        return
    stream.rows.append(row)
    if stream.look_at <= (outs if type(outs) is int else stream.next_id()):
        stream.check()


def append_all(rows: list[tuple[Any, ...]], change: Change) -> None:
    """Put rows on the stream together with what they change on this side."""
    change.record(stream.rows, [(*row[:6], change, *row[6:]) for row in rows])
    if stream.look_at <= stream.next_id():
        stream.check()


def as_row(spec: OpSpec, args: tuple[Any, ...], outs: Any, flags: int = 0) -> tuple[Any, ...]:
    """The row of a call, and where the user made it."""
    wired = tuple([to_wire(param, value) for param, value in zip(spec.params, args, strict=True)])
    flags |= GRAD if grad_mode.on else 0
    return (spec.index, flags | _place_of(spec, args), outs, wired, *caller())


def control(name: str, *args: Any, outs: Any = None, change: Change | None = None, device: str = "cpu") -> None:
    """Record a row that acts on the session: on the device of its tensors, or where it names none on `device`."""
    append(OPS[name], args, outs, device_index(device) << DEVICE_SHIFT, change)


def _tensors(spec: OpSpec, args: tuple[Any, ...]) -> Iterator[TensorBase]:
    for slot in spec.tensor_slots:
        value = args[slot]
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, TensorBase):
                yield item


def _place_of(spec: OpSpec, args: tuple[Any, ...]) -> int:
    """The bits of a row's device: that of its first tensor, its generator, or the device it names."""
    for tensor in _tensors(spec, args):
        return tensor.device_bits
    named = args[spec.device_slot] if spec.device_slot is not None else None
    if named is None and spec.generator_slot is not None:
        named = getattr(args[spec.generator_slot], "_device", None)
    return 0 if named is None else device_index(named) << DEVICE_SHIFT


def on_one_device(spec: OpSpec, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with 0-d tensors of the CPU moved to where the others are; refuses any other mixture."""
    found = list(_tensors(spec, args))
    if all(tensor.device_bits == found[0].device_bits for tensor in found):
        return args
    homes = list(dict.fromkeys(t._meta.device for t in found if t._meta.ndim or t.device_bits))
    if len(homes) > 1:
        raise DeviceError(
            f"Expected all tensors to be on the same device, but found at least two devices, {homes[0]} and {homes[1]}!",
            op=spec.name,
            hint="move one with .to(device)",
        )
    values = list(args)
    for slot in spec.tensor_slots:
        values[slot] = _moved(values[slot], homes[0])
    return tuple(values)


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, tuple):
        return tuple([_moved(item, device) for item in value])
    return value.to(device) if isinstance(value, TensorBase) else value


def to_wire(param: Param, value: Any) -> Any:
    """An argument as it travels."""
    if isinstance(value, TensorBase):
        return value._id or value._send()
    if not param.kind.holds_tensors:
        return generator_id(value) if param.kind.role is Role.GENERATOR and value is not None else value
    if isinstance(value, tuple):
        return tuple([None if item is None else item._id or item._send() for item in value])
    return None if value is None else (value,)


def generator_id(generator: Any) -> Any:
    """A generator as it travels. Raises TypeError for what is none."""
    try:
        return generator._id
    except AttributeError:
        words = f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        raise OpTypeError(words, argument="generator") from None


def leaves_of(spec: OpSpec, args: tuple[Any, ...]) -> LeafSet | None:
    """The leaves that a result of this call depends on."""
    return joined(tensor._leaves for tensor in _tensors(spec, args))


# Generated binders --------------------------------------------------------------------------------------------

_FAST: Final = """
def {name}({signature}):
    {doc!r}
    try:
{aliased}{operands}        try:
            meta = known[{key}]
        except (KeyError, TypeError, AttributeError):
            pass
        else:
            frame = getframe(1)
            code = frame.f_code
            if code.co_filename not in users_files:
                frame = outside(frame)
                code = frame.f_code
            grad = grad_mode.on if off else {grad}
            out = next_id()
            result = new()
            result._id = out
            result._meta = meta
            append(({index}, meta.device_bits + grad, out, ({wire},), code, frame.f_lasti))
            if meta.large:
                result._pressing = True
{leaves}            if out >= stream.look_at:
                stream.check()
            return result
        return slow(spec, {bound})
    except BaseException as problem:
        hide_frames(problem)
        raise
"""
"""The general path is taken, and fails, outside the handler of the lookup; one around all of it shortens tracebacks."""

_SLOW: Final = """
def {name}({signature}):
    {doc!r}
    try:
        return slow(spec, {bound})
    except BaseException as problem:
        hide_frames(problem)
        raise
"""

_TAKEN: Final = frozenset("append code frame grad item leaves meta more out result".split())
"""Names that the fast form uses for itself: an op with such a parameter takes the general path."""


class _Missing:
    """Stands for an argument that was not given; no known call has it, so that the general path finds out."""


MISSING: Final = _Missing()


def _given_twice(spec: OpSpec, alias: str, name: str, more: int) -> str:
    if alias != next(iter(spec.aliases)):
        return f"{spec.name}() got multiple values for argument '{name}'"
    count = sum(not param.keyword_only for param in spec.params)  # the first alias also takes what is too much
    plural = "s" * (count != 1)
    return f"{spec.name}() takes {count} positional argument{plural} but {count + more} were given, or '{name}' twice"


def bound(spec: OpSpec, args: tuple[Any, ...], aliases: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call in declared order: what was given under another name is put in its place.

    Raises TypeError in PyTorch's words for what is missing, and for what was given twice.
    """
    values = list(args)
    for (alias, name), value in zip(spec.aliases.items(), aliases, strict=True):
        if value is None:
            continue
        place = spec.names.index(name)
        param = spec.params[place]
        if values[place] is not MISSING and (param.required or values[place] is not param.default):
            more = sum(value is not None for value in aliases)
            raise OpTypeError(
                _given_twice(spec, alias, name, more), op=spec.name, argument=name, expected=spec.signature
            )
        values[place] = value
    missing = [param.name for param, value in zip(spec.params, values, strict=True) if value is MISSING]
    if missing:
        listed = ", ".join(f'"{name}"' for name in missing)
        raise OpTypeError(
            f"{spec.name}() missing {len(missing)} required positional arguments: {listed}",
            op=spec.name,
            argument=missing[0],
            expected=spec.signature,
        )
    return tuple(values)


SCOPES: Final[dict[str, list[dict[str, Any]]]] = {}
"""What the generated functions of each op see as their globals: autocast changes `known` and `slow` in it."""


def _maker() -> Callable[[], Any]:
    """What makes an empty proxy."""
    made: Callable[[], Any] = type.__call__.__get__(TensorBase.proxy)
    return made


def _watch_inference(some: bool) -> None:
    """Let the generated functions mark what they make while a thread is in inference mode; at no cost otherwise."""
    plain = _maker()
    new = (lambda: born(plain())) if some else plain
    for scopes in SCOPES.values():
        for scope in scopes:
            scope["new"] = new


grad_mode.watch = _watch_inference


def _leaves_source(spec: OpSpec) -> str:
    if not spec.differentiable:
        return ""
    lines = ["    if grad and meta.floating:"]
    for number, slot in enumerate(spec.tensor_slots):
        param = spec.params[slot]
        name, kind = param.name, param.kind
        pad = "        "
        found = "more" if number else "leaves"
        if kind.role is Role.TENSORS:
            lines.append(f"{pad}{found} = joined([item._leaves for item in {name}])")
        else:
            guard = f" if {kind.present_source.format(name)} else None" if kind.present_source else ""
            lines.append(f"{pad}{found} = {name}._leaves{guard}")
        if number == 0:
            continue
        lines.append(f"{pad}if more is not None and more is not leaves:")
        lines.append(f"{pad}    try:")
        lines.append(f"{pad}        leaves = unions[leaves, more]")
        lines.append(f"{pad}    except KeyError:")
        lines.append(f"{pad}        leaves = union(leaves, more)")
    lines += [
        "        if leaves is not None:",
        "            result._leaves = leaves",
        f"            result._fn = {spec.name!r}",
        "            if leaves.large:",
        "                result._pressing = True",
        "            elif meta.large:",
        "                leaves.large = True",
    ]
    return "\n".join(lines) + "\n"


def _choosing(choose: Callable[[OpSpec, tuple[Any, ...]], tuple[Any, ...]]) -> Callable[..., Any]:
    def record_chosen(spec: OpSpec, args: tuple[Any, ...]) -> Any:
        return record(spec, choose(spec, args))

    return record_chosen


def _aliased_source(spec: OpSpec, aliases: dict[str, str], names: str) -> str:
    """Leads calls to the general path that name an optional argument otherwise, or give too many.

    What comes beyond the declared arguments by position stands under the first other name. A call that names a
    required argument otherwise lacks it, and gets there by itself.
    """
    optional = {param.name for param in spec.params if not param.required}
    first = next(iter(aliases), None)
    given = [f"{alias} is not None" for alias, name in aliases.items() if alias == first or name in optional]
    return f"        if {' or '.join(given)}:\n            return slow(spec, {names})\n" if given else ""


def _signature(spec: OpSpec, scope: dict[str, Any], operator: bool, chosen: bool) -> str:
    """The parameters as Python writes them; those of an operator that have defaults are nobody's to give.

    Other names come last of those by position, where a default costs least; a required argument may be missing then.
    """
    words: list[str] = []
    aliases = [] if operator else [f"{alias}=None" for alias in spec.aliases]
    for place, param in enumerate(spec.params):
        if not param.required:
            scope[f"default_{param.name}"] = param.default
            if operator:
                continue
        if param.keyword_only and "*" not in words:
            words += [*aliases, "*"]
        if param.required:
            default = "=None" if chosen and place else "=MISSING" if aliases else ""
            words.append(param.name + default)
        else:
            words.append(f"{param.name}=default_{param.name}")
    return ", ".join(words if "*" in words else [*words, *aliases])


def _named(spec: OpSpec, operator: bool) -> list[Param]:
    """The parameters under the names that the generated function knows them by."""
    return [p._replace(name=f"default_{p.name}") if operator and not p.required else p for p in spec.params]


def binder(
    spec: OpSpec,
    *,
    slow: Callable[..., Any] | None = None,
    operator: bool = False,
    choose: Callable[[OpSpec, tuple[Any, ...]], tuple[Any, ...]] | None = None,
) -> Callable[..., Any]:
    """The function that users call for an op, with the declared signature and docstring.

    As an `operator` it leaves operands that it does not take to the other side. `slow` replaces the general path.
    What `choose` completes may be left out: None stands for it, which no known call has.
    """
    special, aliases = slow is not None, {} if operator else spec.aliases
    slow = slow or (_record_or_not if operator else record)
    if choose is not None:
        slow = _choosing(choose)
    scope: dict[str, Any] = {
        "known": spec.known,
        "slow": slow,
        "spec": spec,
        "hide_frames": hide_frames,
        "getframe": sys._getframe,
        "users_files": USERS_FILES,
        "outside": outside,
        "grad_mode": grad_mode,
        "off": grad_mode.off,
        "next_id": stream.next_id,
        "append": stream.rows.append,
        "stream": stream,
        "new": _maker(),
        "bound": bound,
        "MISSING": MISSING,
        "TensorBase": TensorBase,
        "upload": upload,
        "generator_id": generator_id,
        "union": union,
        "unions": UNIONS,
        "joined": joined,
    }
    fast = not special and spec.static_shape and not spec.view and spec.returns == ("out",) and not spec.control
    fast = fast and bool(spec.tensor_slots) and not _TAKEN & set(spec.names)
    fast = fast and all(param.kind.wire_source is not None for param in spec.params)
    params = _named(spec, operator)
    names = f"({', '.join(param.name for param in params)},)"
    if aliases:
        names = f"bound(spec, {names}, ({', '.join(aliases)},))"
    source = (_FAST if fast else _SLOW).format(
        name=spec.name,
        doc=f"{spec.doc}\n\nSignature: {spec.signature}",
        signature=_signature(spec, scope, operator, choose is not None),
        aliased=_aliased_source(spec, aliases, names),
        bound=names,
        operands="".join(f"        is_{p.name} = isinstance({p.name}, TensorBase)\n" for p in params if _is_operand(p)),
        key="(" + ", ".join(_key_source(param, scope) for param in params) + ",)",
        index=spec.index,
        grad=GRAD,
        wire=", ".join(_wire_source(param) for param in params) if fast else "",
        leaves=indent(_leaves_source(spec), " " * 8),
    )
    exec(compile(source, f"<telegrad {spec.name}>", "exec"), scope)
    if not special:
        SCOPES.setdefault(spec.name, []).append(scope)
    made: Callable[..., Any] = scope[spec.name]
    made.__module__ = "telegrad"
    return made


def _is_operand(param: Param) -> bool:
    """Whether a tensor or a number may stand here; asked once per call, in `is_<name>`."""
    return param.kind.role is Role.OPERAND


def _key_source(param: Param, scope: dict[str, Any]) -> str:
    source = param.kind.key(param.name, is_tensor="is_{0}")
    if not param.name.startswith("default_"):
        return source
    scope[f"key_of_{param.name}"] = eval(source, scope)  # an operator's default, of which the key is always the same
    return f"key_of_{param.name}"


def _wire_source(param: Param) -> str:
    source = param.kind.wire_source
    assert source is not None, "only the general path takes this kind"
    return source.format(param.name)


def record_inplace(spec: OpSpec) -> Callable[..., Any]:
    """The method with a trailing underscore."""
    made = binder(spec, slow=inplace)
    made.__name__ = made.__qualname__ = f"{spec.name}_"
    return made


def operator(function: Callable[..., Any], *, arrays: bool = False) -> Callable[..., Any]:
    """A binary function as an operator: operands that it does not take are left to the other side.

    NumPy's numbers are taken, and, if said, its arrays.
    """

    def apply(self: Any, other: Any) -> Any:
        try:
            if isinstance(other, np.generic) or (arrays and isinstance(other, np.ndarray)):
                self, other = _host.beside(self, other)
            return function(self, other) if isinstance(other, TensorBase | bool | int | float) else NotImplemented
        except BaseException as problem:
            hide_frames(problem)
            raise

    return apply
