"""The table of implementations: how an op is computed, and beside it how its gradients are.

An op with a **kernel**, a function of arrays, has one VJP per differentiable argument. A VJP names what it needs as its
parameters, and exactly that is saved: the op's arguments and results by their declared names (`out` for a single
result), `aux` for what the kernel set aside, and `<argument>_meta` for the shape and dtype of an argument alone.

    @kernel
    def square(xp, input):
        return xp.multiply(input, input)

    vjp(square, input=lambda f, g, input: f.mul(g, f.mul(input, 2)))

`xp` is the backend. Where one of its primitives is the whole kernel, the op is one row:

    direct_kernel("exp", input=lambda f, g, out: f.mul(g, out))
    direct_kernel("asin", "arcsin", input=...)

`f` is a namespace of ops: kernels on arrays for a first gradient, recorded ops on tensors for higher orders. A VJP
returns new memory, `g` itself or a view of it, and never writes to its arguments. The tape undoes broadcasting.

A **decomposition** is written out of other ops; it has no kernel and needs no VJP.

    @decomposition
    def mse_loss(f, input, target, reduction): ...

A **fused** op is a decomposition with a faster pair of kernels; the decomposition stays its definition.

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
    """The gradient of one argument; of a fused op, of all its tensor arguments."""

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
        self.call = _vjp_caller(self, spec, given)


def _vjp_caller(vjp: Vjp, spec: OpSpec, given: tuple[str, ...]) -> Function:
    """A function `(mode, node, args, g)`, with `needs` for a fused op, that calls the VJP with the values it names.

    The backward pass calls it per node, so its source is generated: it looks up nothing but these values.
    """
    sources = {"f": "mode.namespace", "xp": "mode.xp"}
    values = [sources.get(name, name) for name in given] + [_saved_source(spec, name) for name in vjp.names]
    more = ["needs"] if "needs" in given else []
    source = f"lambda {', '.join(['mode', 'node', 'args', 'g', *more])}: function({', '.join(values)})"
    made: Function = eval(
        compile(source, f"<telegrad gradient {spec.name}>", "eval"), vars(vjp) | {"metas_of": metas_of}
    )
    return made


def _saved_source(spec: OpSpec, name: str) -> str:
    """The expression for the value that a VJP calls `name`, at a node with saved arguments."""
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
    """What a node keeps for gradients: positions of tensor arguments, kept and dropped; whether results; whether aux."""

    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    uses_outs: bool
    uses_aux: bool


class OpImpl:
    """The implementation of one op, as the engine uses it.

    `run(xp, *args)`, the kernel, returns the result, or `(result, aux)` where `has_aux`. It is None for a
    decomposition that is not fused.
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
        """What a node keeps for gradients of the arguments at these positions."""
        found = self._plans.get(needed)
        if found is None:
            found = self._plans[needed] = self._make_plan(needed)
        return found

    def _make_plan(self, needed: tuple[int, ...]) -> Plan:
        slots = self.spec.tensor_slots
        if self.fused_backward is not None:
            # `create_graph` records the decomposition again on the inputs: all of them are kept.
            vjp = self.fused_backward
            return Plan(slots, (), vjp.uses_out, vjp.uses_aux)
        vjps = [self.vjps[position] for position in needed if position in self.vjps]
        saved = {slot for vjp in vjps for slot in vjp.saved}
        kept, dropped = tuple(s for s in slots if s in saved), tuple(s for s in slots if s not in saved)
        return Plan(kept, dropped, any(vjp.uses_out for vjp in vjps), any(vjp.uses_aux for vjp in vjps))

    def forward(self, function: Function) -> Function:
        """Register the forward kernel of a fused op; it returns `(result, aux)`."""
        self.run, self.has_aux = function, True
        return function

    def backward(self, function: Function) -> Function:
        """Register the backward kernel of a fused op; it returns a gradient or None per tensor argument.

        Its parameters are `xp`, `g`, `needs` (per tensor argument, whether its gradient is wanted) and the names of
        the arguments, results and `aux` that it needs.
        """
        slots = self.spec.tensor_slots
        self.fused_backward = Vjp(self.spec, function, ("xp", "g", "needs"), slots)
        return function


IMPLS: dict[str, OpImpl] = {}


def _add(impl: OpImpl) -> OpImpl:
    if impl.name in IMPLS:
        raise ValueError(f"the kernel {impl.name} is registered twice")
    IMPLS[impl.name] = impl
    return impl


def kernel(function: Function | None = None, *, name: str | None = None, aux: bool = False) -> Any:
    """Register the kernel of an op, by default under the function's name; with `aux`, it returns `(result, aux)`."""

    def register(function: Function) -> OpImpl:
        return _add(OpImpl(name or function.__name__.rstrip("_"), function, has_aux=aux))

    return register if function is None else register(function)


def direct_kernel(name: str, primitive: str | None = None, /, **vjps: Function) -> OpImpl:
    """Register an op whose kernel is one primitive of `xp` on the op's arguments, and its gradients as `vjp` does.

    The primitive has the op's name, without a leading underscore, unless another is given.
    """
    impl = _add(OpImpl(name, _primitive_caller(OPS[name], primitive or name.lstrip("_"))))
    vjp(impl, **vjps)
    return impl


def _primitive_caller(spec: OpSpec, primitive: str) -> Function:
    """The kernel `xp.primitive(*args)`, generated with the op's own parameters."""
    names = ", ".join(spec.names)
    made: Function = eval(
        compile(f"lambda xp, {names}: xp.{primitive}({names})", f"<telegrad kernel {spec.name}>", "eval")
    )
    return made


def decomposition(function: Function | None = None, *, name: str | None = None) -> Any:
    """Register the definition of an op out of other ops: `function(f, *args)`."""

    def register(function: Function) -> OpImpl:
        impl = _add(OpImpl(name or function.__name__.rstrip("_"), None))
        impl.decomposition = function
        return impl

    return register if function is None else register(function)


def vjp(impl: OpImpl, **functions: Function) -> None:
    """Register the gradients of an op with a kernel: per argument a `function(f, g, ...)` of the values it names."""
    for argument, function in functions.items():
        position = impl.spec.names.index(argument)
        impl.vjps[position] = Vjp(impl.spec, function, ("f", "g"), (position,))


class Raw:
    """The ops as functions of arrays, without recording: for first gradients, and for decompositions."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Function:
        impl = IMPLS.get(name)
        if impl is None:
            raise UnsupportedOp(f"no kernel for {name}", op=name)
        function = self._bind(impl)
        setattr(self, name, function)
        return function

    def _bind(self, impl: OpImpl) -> Function:
        run, xp = impl.run, self.xp
        if run is None:
            return calling(impl.spec, partial(impl.decomposition, self))  # type: ignore[arg-type]
        return calling(impl.spec, partial(run, xp), "[0]" if impl.has_aux else "")


def calling(spec: OpSpec, body: Function, part: str = "") -> Function:
    """A function with an op's parameters, bound by Python, that calls `body` with all of them in order.

    `part` is source appended to the call. Keyword-only parameters may also come by position.
    """
    scope: dict[str, Any] = {"body": body}
    words = []
    for param in spec.params:
        scope[f"default_{param.name}"] = param.default
        words.append(param.name if param.required else f"{param.name}=default_{param.name}")
    source = f"lambda {', '.join(words)}: body({', '.join(spec.names)}){part}"
    made: Function = eval(compile(source, f"<telegrad call {spec.name}>", "eval"), scope)
    return made
