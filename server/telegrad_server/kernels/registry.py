"""How a kernel joins the table: its forward, and beside it what its gradients are.

A **primitive** is a function of arrays with one VJP per differentiable argument. A VJP names what it needs as its
own parameters, and exactly that is saved: arguments of the op by their declared names, results by theirs (`out`
for a single one), `aux` for what the forward set aside, and `<argument>_meta` for shape and dtype alone.

    @kernel
    def mul(xp, input, other):
        return xp.multiply(input, other)

    vjp(mul, input=lambda f, g, other: f.mul(g, other), other=lambda f, g, input: f.mul(g, input))

`f` is a namespace of ops: raw kernels on arrays for a first gradient, recorded ops on tensors for higher orders.
A VJP returns fresh memory, `g` itself or a view of it, and never writes what it was given. The tape undoes
broadcasting.

A **decomposition** is written out of other ops; it has no kernel and needs no VJP.

    @decomposition
    def mse_loss(f, input, target, reduction): ...

A **fused** op is a decomposition with a faster raw pair; the decomposition stays its definition.

    @layer_norm.forward
    def _(xp, input, normalized_shape, weight, bias, eps): return out, (mean, rstd)

    @layer_norm.backward
    def _(xp, g, aux, needs, input, weight): return grad_input, grad_weight, grad_bias
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from telegrad_protocol.errors import UnsupportedOp
from telegrad_protocol.shapes import HasMeta
from telegrad_protocol.spec import OPS, OpSpec

Function = Callable[..., Any]


class Vjp:
    """The gradient of one argument, or of several at once where a fused op computes them together."""

    def __init__(self, spec: OpSpec, function: Function, given: tuple[str, ...], positions: tuple[int, ...]) -> None:
        self.function = function
        self.positions = positions
        self.names = tuple(inspect.signature(function).parameters)[len(given) :]
        known = {*spec.names, *(f"{name}_meta" for name in spec.names), *(spec.returns or ()), "outs", "aux"}
        unknown = set(self.names) - known
        if unknown:
            raise TypeError(f"a VJP of {spec.name} asks for {sorted(unknown)}, which the op does not have")
        self.saved = tuple(spec.names.index(n) for n in self.names if n in spec.names)
        self.uses_out = any(n == "outs" or n in (spec.returns or ()) for n in self.names)
        self.uses_aux = "aux" in self.names
        self.call = _calling_vjp(self, spec, given)


def _calling_vjp(vjp: Vjp, spec: OpSpec, given: tuple[str, ...]) -> Function:
    """A function `(mode, node, args, g)`, and `needs` for a fused op, that hands a VJP what it names."""
    handed = {"f": "mode.namespace", "xp": "mode.xp"}
    values = [handed.get(name, name) for name in given] + [_saved_source(spec, name) for name in vjp.names]
    more = ["needs"] if "needs" in given else []
    source = f"lambda {', '.join(['mode', 'node', 'args', 'g', *more])}: function({', '.join(values)})"
    made: Function = eval(
        compile(source, f"<telegrad gradient {spec.name}>", "eval"), vars(vjp) | {"metas_of": metas_of}
    )
    return made


def _saved_source(spec: OpSpec, name: str) -> str:
    """Where a walk finds, at a node with saved arguments, what a VJP calls `name`."""
    if name in spec.names:
        position = spec.names.index(name)
        return f"mode.unpack(args[{position}])" if position in spec.tensor_slots else f"args[{position}]"
    if name == "aux":
        return "mode.aux(node)"
    if name == "outs":
        return "tuple([mode.out(node, i) for i in range(len(node.metas))])"
    if name in (spec.returns or ()):
        return f"mode.out(node, {(spec.returns or ()).index(name)})"
    return f"metas_of(args[{spec.names.index(name.removesuffix('_meta'))}])"


def metas_of(value: Any) -> Any:
    """Shape and dtype of a saved argument, or of each of a list."""
    if isinstance(value, HasMeta):
        return value._meta
    if type(value) is tuple:
        return tuple([metas_of(item) for item in value])
    return value


class Plan(NamedTuple):
    """What a node keeps when gradients flow to certain arguments: which tensor arguments and which not, results, aux."""

    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    uses_outs: bool
    uses_aux: bool


class OpImpl:
    """What the engine knows of one op: how to compute it and how its gradients are computed.

    `run(xp, *args)` returns the result, or `(result, aux)` where `has_aux`; it is None for a plain decomposition.
    """

    def __init__(self, name: str, run: Function | None, *, has_aux: bool = False) -> None:
        self.spec = OPS[name]
        self.name = name
        self.run = run
        self.has_aux = has_aux
        self.decomposition: Function | None = None
        self.vjps: dict[int, Vjp] = {}
        self.fused_backward: Vjp | None = None
        self._plans: dict[tuple[int, ...], Plan] = {}
        self.one_result = self.spec.returns == ("out",)
        self.simple = self.one_result and self.spec.static_shape and not self.spec.view

    def plan(self, needed: tuple[int, ...]) -> Plan:
        """What to keep for gradients with respect to the arguments at these positions."""
        found = self._plans.get(needed)
        if found is None:
            found = self._plans[needed] = self._make_plan(needed)
        return found

    def _make_plan(self, needed: tuple[int, ...]) -> Plan:
        slots = self.spec.tensor_slots
        if self.fused_backward is not None:
            # Besides what the pair reads, the decomposition may be recorded again on the inputs.
            vjp = self.fused_backward
            return Plan(slots, (), vjp.uses_out, vjp.uses_aux)
        vjps = [self.vjps[position] for position in needed if position in self.vjps]
        saved = {slot for vjp in vjps for slot in vjp.saved}
        kept, dropped = tuple(s for s in slots if s in saved), tuple(s for s in slots if s not in saved)
        return Plan(kept, dropped, any(vjp.uses_out for vjp in vjps), any(vjp.uses_aux for vjp in vjps))

    def forward(self, function: Function) -> Function:
        """Register the raw forward of a fused op; it returns `(result, aux)`."""
        self.run, self.has_aux = function, True
        return function

    def backward(self, function: Function) -> Function:
        """Register the raw backward of a fused op; it returns a gradient or None per tensor argument.

        It is called as `function(xp, g, needs, **named)`: `needs` tells, per tensor argument, whether its gradient is
        wanted; `aux`, arguments and results are asked for by name.
        """
        slots = self.spec.tensor_slots
        self.fused_backward = Vjp(self.spec, function, ("xp", "g", "needs"), slots)
        return function


IMPLS: dict[str, OpImpl] = {}


def _add(entry: OpImpl) -> OpImpl:
    if entry.name in IMPLS:
        raise ValueError(f"the kernel {entry.name} is registered twice")
    IMPLS[entry.name] = entry
    return entry


def kernel(function: Function | None = None, *, name: str | None = None, aux: bool = False) -> Any:
    """Register the forward of a primitive under its declared name; with `aux`, it returns `(result, aux)`."""

    def register(function: Function) -> OpImpl:
        return _add(OpImpl(name or function.__name__.rstrip("_"), function, has_aux=aux))

    return register if function is None else register(function)


def direct_kernel(name: str, primitive: str | None = None, /, **vjps: Function) -> OpImpl:
    """Register an op whose kernel is a primitive of `xp` with the op's arguments in order, and its gradients.

    The primitive has the op's name, without a leading underscore, unless another is given.
    """
    entry = _add(OpImpl(name, _calling_primitive(OPS[name], primitive or name.lstrip("_"))))
    vjp(entry, **vjps)
    return entry


def _calling_primitive(spec: OpSpec, primitive: str) -> Function:
    names = ", ".join(spec.names)
    made: Function = eval(
        compile(f"lambda xp, {names}: xp.{primitive}({names})", f"<telegrad kernel {spec.name}>", "eval")
    )
    return made


def decomposition(function: Function | None = None, *, name: str | None = None) -> Any:
    """Register an op that is written out of other ops: `function(f, *args)`."""

    def register(function: Function) -> OpImpl:
        entry = _add(OpImpl(name or function.__name__.rstrip("_"), None))
        entry.decomposition = function
        return entry

    return register if function is None else register(function)


def vjp(entry: OpImpl, **functions: Function) -> None:
    """Register the gradients of a primitive, one function per argument: `function(f, g, *what it names)`."""
    for argument, function in functions.items():
        position = entry.spec.names.index(argument)
        entry.vjps[position] = Vjp(entry.spec, function, ("f", "g"), (position,))


class Raw:
    """The op namespace over arrays: kernels without recording, for first gradients and for decompositions."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Function:
        entry = IMPLS.get(name)
        if entry is None:
            raise UnsupportedOp(f"no kernel for {name}", op=name)
        function = self._bind(entry)
        setattr(self, name, function)
        return function

    def _bind(self, entry: OpImpl) -> Function:
        run, xp = entry.run, self.xp
        if run is None:
            return calling(entry.spec, partial(entry.decomposition, self))  # type: ignore[arg-type]
        return calling(entry.spec, partial(run, xp), "[0]" if entry.has_aux else "")


def calling(spec: OpSpec, body: Function, part: str = "") -> Function:
    """A function of an op's parameters, so that Python binds them, that gives `body` all of them in order.

    `part` is an expression applied to the result. Parameters that users give by name may come by position here.
    """
    scope: dict[str, Any] = {"body": body}
    words = []
    for param in spec.params:
        scope[f"default_{param.name}"] = param.default
        words.append(param.name if param.required else f"{param.name}=default_{param.name}")
    source = f"lambda {', '.join(words)}: body({', '.join(spec.names)}){part}"
    made: Function = eval(compile(source, f"<telegrad call {spec.name}>", "eval"), scope)
    return made
