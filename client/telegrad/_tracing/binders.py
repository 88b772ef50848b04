"""Generated binders: the functions that users call, one for each op, in which CPython itself binds the arguments.

A generated function does the common case inline, from metadata that was inferred before; everything else (the first
call with these shapes, lists, views, several results, errors) goes through `record`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from textwrap import indent
from typing import Any, Final

from telegrad._runtime.grad_mode import born, grad_mode
from telegrad._runtime.process import stream
from telegrad_protocol.errors import OpTypeError
from telegrad_protocol.kinds import Role
from telegrad_protocol.messages import GRAD
from telegrad_protocol.spec import OpSpec, Param

from .arguments import generator_id
from .call_sites import USERS_FILES, outside
from .draws import append_draw
from .frames import hide_frames
from .host_integers import with_number
from .leaf_sets import UNIONS, joined, union
from .proxy import OnHost, TensorBase, upload, upload_unless_on_host
from .record import ON_HOST_TOO, inplace, record

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
{recorded}        return slow(spec, {bound})
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

_APPEND: Final = """\
            append(({index}, meta.device_bits + grad, out, ({wire},), code, frame.f_lasti))
"""

_APPEND_DRAW: Final = """\
            append_draw(spec, ({index}, meta.device_bits + grad, out, ({wire},), code, frame.f_lasti), {names})
"""

_RECORDED: Final = """\
            if meta.large:
                result._free_now = True
{leaves}            if out >= queue.check_at_id:
                stream.check()
            return result
"""

_OR_ON_HOST: Final = """\
            try:
{append}            except OnHost:
                result._id = 0
                if on_host({name!r}, meta, result, {names}):
                    return result
            else:
{recorded}"""

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
        slot = spec.names.index(name)
        param = spec.params[slot]
        if values[slot] is not MISSING and (param.required or values[slot] is not param.default):
            more = sum(value is not None for value in aliases)
            raise OpTypeError(
                _given_twice(spec, alias, name, more), op=spec.name, argument=name, expected=spec.signature
            )
        values[slot] = value
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
        "                result._free_now = True",
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
    """The parameters as Python writes them; an operator has none of those that have defaults.

    Other names come last of those by position, where a default costs least; a required argument may be missing then.
    """
    words: list[str] = []
    aliases = [] if operator else [f"{alias}=None" for alias in spec.aliases]
    for position, param in enumerate(spec.params):
        if not param.required:
            scope[f"default_{param.name}"] = param.default
            if operator:
                continue
        if param.keyword_only and "*" not in words:
            words += [*aliases, "*"]
        if param.required:
            default = "=None" if chosen and position else "=MISSING" if aliases else ""
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
    general: Callable[..., Any] = record,
    fast: bool = True,
    operator: bool = False,
    choose: Callable[[OpSpec, tuple[Any, ...]], tuple[Any, ...]] | None = None,
) -> Callable[..., Any]:
    """The function that users call for an op, with the declared signature and docstring.

    Calls that are not the common case, or all if it is not `fast`, go through `general`. An `operator` takes no
    arguments that have defaults. Arguments that `choose` completes may be left out: None stands for them, which no known
    call has.
    """
    scope = _scope(spec, general if choose is None else _choosing(choose))
    source = _source(spec, scope, fast=fast and _has_fast_form(spec), operator=operator, chosen=choose is not None)
    exec(compile(source, f"<telegrad {spec.name}>", "exec"), scope)
    if fast:
        SCOPES.setdefault(spec.name, []).append(scope)
    made: Callable[..., Any] = scope[spec.name]
    made.__module__ = "telegrad"
    return made


def _scope(spec: OpSpec, slow: Callable[..., Any]) -> dict[str, Any]:
    """The globals of a generated function."""
    return {
        "known": spec.known,
        "slow": slow,
        "spec": spec,
        "hide_frames": hide_frames,
        "getframe": sys._getframe,
        "users_files": USERS_FILES,
        "outside": outside,
        "grad_mode": grad_mode,
        "off": grad_mode.off,
        "next_id": stream.queue.next_id,
        "append": stream.queue.items.append,
        "append_draw": append_draw,
        "queue": stream.queue,
        "stream": stream,
        "new": _maker(),
        "bound": bound,
        "MISSING": MISSING,
        "TensorBase": TensorBase,
        "upload": upload_unless_on_host if spec.name in ON_HOST_TOO else upload,
        "OnHost": OnHost,
        "on_host": with_number,
        "generator_id": generator_id,
        "union": union,
        "unions": UNIONS,
        "joined": joined,
    }


def _has_fast_form(spec: OpSpec) -> bool:
    """Whether the common case of an op is done inline: one new result, of a shape that no value decides."""
    if not spec.static_shape or spec.view or spec.returns != ("out",) or spec.control:
        return False
    if spec.generator_slot is not None and not spec.differentiable:
        return False  # a draw is looked at whether it can be made on the host
    plain = all(param.kind.wire_source is not None for param in spec.params)
    return plain and bool(spec.tensor_slots) and not _TAKEN & set(spec.names)


def _source(spec: OpSpec, scope: dict[str, Any], *, fast: bool, operator: bool, chosen: bool) -> str:
    """The source of a generated function; puts the defaults that it names in its globals."""
    aliases = {} if operator else spec.aliases
    params = _named(spec, operator)
    names = _names(params)
    if aliases:
        names = f"bound(spec, {names}, ({', '.join(aliases)},))"
    wire = ", ".join(_wire_source(param) for param in params) if fast else ""
    return (_FAST if fast else _SLOW).format(
        name=spec.name,
        doc=f"{spec.doc}\n\nSignature: {spec.signature}",
        signature=_signature(spec, scope, operator, chosen),
        aliased=_aliased_source(spec, aliases, names),
        bound=names,
        operands="".join(f"        is_{p.name} = isinstance({p.name}, TensorBase)\n" for p in params if _is_operand(p)),
        key="(" + ", ".join(_key_source(param, scope) for param in params) + ",)",
        grad=GRAD,
        recorded=_recorded_source(spec, wire, _names(params)),
    )


def _names(params: list[Param]) -> str:
    return f"({', '.join(param.name for param in params)},)"


def _recorded_source(spec: OpSpec, wire: str, names: str) -> str:
    """Appends the row and completes the result; where the op is done on the host as well, it may turn out to be."""
    append = (_APPEND if spec.generator_slot is None else _APPEND_DRAW).format(index=spec.index, wire=wire, names=names)
    recorded = _RECORDED.format(leaves=indent(_leaves_source(spec), " " * 8))
    if spec.name not in ON_HOST_TOO:
        return append + recorded
    return _OR_ON_HOST.format(
        name=spec.name, names=names, append=indent(append, " " * 4), recorded=indent(recorded, " " * 4)
    )


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
    made = binder(spec, general=inplace, fast=False)
    made.__name__ = made.__qualname__ = f"{spec.name}_"
    return made
