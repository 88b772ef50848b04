"""Runs ops on tensors: infers, casts, admits memory, calls kernels, records. Knows no op by name."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import (
    AutogradError,
    Malformed,
    OpError,
    OpIndexError,
    OpTypeError,
    OpValueError,
    OutOfMemory,
    TelegradError,
    UnsupportedOp,
)
from telegrad_protocol.rules import check_history, check_inplace, check_overlap, check_writable, frozen_view
from telegrad_protocol.shapes import PAGE, Meta
from telegrad_protocol.spec import Inferred, OpSpec
from telegrad_server.kernels import IMPLS, Raw
from telegrad_server.kernels.registry import OpImpl, Vjp, calling
from telegrad_server.worker.memory import Budget, Tally
from telegrad_server.worker.tensor import Storage, Tensor

from .tape import Edge, Mode, Node, Walk, edge_of, last_number

if TYPE_CHECKING:
    from telegrad_server.worker.transfers import Read


class Engine:
    """Ops on one device for one session, whose memory `budget` counts; `nodes` counts those of its graphs.

    `raw` is the op namespace on bare arrays; `recorded` and `unrecorded` are those on tensors, with grad mode on and off.
    """

    def __init__(self, xp: Any, budget: Budget) -> None:
        self.xp = xp
        self.budget = budget
        self.nodes = Tally()
        self.raw = Raw(xp)
        self.recorded = Recorded(self, grad=True)
        self.unrecorded = Recorded(self, grad=False)
        self.first_order = RawMode(self)
        self.higher_order = RecordedMode(self)

    # Making tensors ---------------------------------------------------------------------------------------

    def wrap(self, data: Any, meta: Meta | None = None) -> Tensor:
        """A leaf tensor on an array that nobody else writes to."""
        if meta is None:
            meta = self.xp.meta_of(data)
        return Tensor(data, meta, Storage(meta.nbytes, self.budget))

    # Applying ops -----------------------------------------------------------------------------------------

    def apply(self, impl: OpImpl, args: tuple[Any, ...], *, grad: bool) -> Any:
        """Run an op on arguments in declared order; the result is a tensor, or a tuple of them."""
        spec = impl.spec
        inferred = spec.infer(args)
        if impl.run is None:
            return impl.decomposition(self.recorded if grad else self.unrecorded, *args)  # type: ignore[misc]
        if inferred.compute is not None:
            args = self._promote(spec, args, inferred, grad)
        try:
            return (self._apply_one if impl.simple else self._apply_several)(impl, args, inferred, grad)
        except MemoryError as error:
            if isinstance(error, OutOfMemory):
                raise
            raise self.budget.exhausted(spec.name) from error

    def _apply_one(self, impl: OpImpl, args: tuple[Any, ...], inferred: Inferred, grad: bool) -> Tensor:
        """As `apply`, for one new result of a static shape."""
        spec, meta = impl.spec, inferred.metas[0]
        nbytes = meta.nbytes
        self.budget.check(nbytes, spec.name)
        data, aux = self._run(impl, args)
        try:
            data = self.apart(self.xp.dense(data), args)
            if not meta.full:
                data = self.xp.exact(data, meta.dtype)
        except MemoryError as error:
            self.refuse(impl, error)
        out = Tensor(data, meta, Storage(nbytes, self.budget))
        if grad and spec.differentiable and meta.floating:
            edges = self._edges_of(spec, args)
            if edges:
                self.record_one(impl, args, edges, out, aux)
        return out

    def _apply_several(self, impl: OpImpl, args: tuple[Any, ...], inferred: Inferred, grad: bool) -> Any:
        """As `apply`, for views, several results, and shapes that depend on values."""
        spec = impl.spec
        self.budget.check(inferred.nbytes, spec.name)
        result, aux = self._run(impl, args)
        try:
            outs = self._wrap_results(spec, inferred, result, args, grad)
        except MemoryError as error:
            self.refuse(impl, error)
        if grad and spec.differentiable:
            self._record(impl, args, outs, aux)
        return outs[0] if spec.returns is not None and len(spec.returns) == 1 else outs

    def _run(self, impl: OpImpl, args: tuple[Any, ...]) -> tuple[Any, Any]:
        arrays = [value.data if type(value) is Tensor else value for value in args]
        if impl.spec.takes_lists:
            arrays = [_arrays(value) for value in arrays]
        try:
            result = impl.run(self.xp, *arrays)  # type: ignore[misc]
        except Exception as error:
            self.refuse(impl, error)
        return result if impl.has_aux else (result, None)

    def refuse(self, impl: OpImpl, error: Exception) -> NoReturn:
        """Raise what a kernel's failure means: an error of ours, the machine's lack of memory, or a defect."""
        if isinstance(error, TelegradError):  # an OutOfMemory of the budget among them
            raise error
        if isinstance(error, MemoryError):
            raise self.budget.exhausted(impl.name) from error
        if isinstance(error, ArithmeticError | IndexError | TypeError | ValueError):
            raise as_op_error(impl.name, error) from error
        raise error

    def _wrap_results(self, spec: OpSpec, inferred: Inferred, result: Any, args: tuple[Any, ...], grad: bool) -> Any:
        if inferred.offset is not None:
            source = args[spec.tensor_slots[0]]
            if spec.detached:
                return (source.detached(source.storage.apart() if spec.own_version else None),)
            return self._wrap_views(spec, inferred, result, source, grad)
        results = result if type(result) in (tuple, list) else (result,)
        results = [self.apart(self.xp.dense(data), args) for data in results]
        if not spec.static_shape:
            return tuple([self.wrap(data) for data in results])
        return tuple(
            [
                Tensor(self.xp.exact(data, meta.dtype), meta, Storage(meta.nbytes, self.budget))
                for data, meta in zip(results, inferred.metas, strict=True)
            ]
        )

    def apart(self, data: Any, args: tuple[Any, ...]) -> Any:
        """A result in memory of its own: a kernel may return an argument, or a view of one."""
        arrays = [item.data for arg in args for item in (arg if type(arg) is tuple else (arg,)) if type(item) is Tensor]
        if data.base is None and not any(data is array for array in arrays):
            return data
        return self.xp.apart(data, tuple(arrays))

    def _wrap_views(
        self, spec: OpSpec, inferred: Inferred, result: Any, source: Tensor, grad: bool
    ) -> tuple[Tensor, ...]:
        results = result if type(result) in (tuple, list) else (result,)
        offsets = inferred.offset if type(inferred.offset) is tuple else (inferred.offset,)
        views = []
        for number, (data, meta, offset) in enumerate(zip(results, inferred.metas, offsets, strict=True)):
            view = Tensor(data, meta, source.storage)
            view.base = source.base or source
            view.offset = source.offset + offset
            view.rebased = view.base.rebased
            if source.origin is not None or source.alone:
                view.origin = source.origin or source
            frozen = frozen_view(spec, grad, number) or source.frozen
            if frozen is not None:
                view.frozen = frozen
            views.append(view)
        return tuple(views)

    def _promote(self, spec: OpSpec, args: tuple[Any, ...], inferred: Inferred, grad: bool) -> tuple[Any, ...]:
        """Cast the tensor operands to the computing dtype, as recorded ops, so that gradients flow back in theirs."""
        target = inferred.compute
        assert target is not None
        values = list(args)
        for slot in spec.tensor_slots:
            value = values[slot]
            if type(value) is tuple:
                values[slot] = tuple([self._cast(item, target, grad) for item in value])
            else:
                values[slot] = self._cast(value, target, grad)
        return tuple(values)

    def _cast(self, value: Any, target: DType, grad: bool) -> Any:
        if isinstance(value, Tensor) and value._meta.dtype is not target:
            return self.apply(IMPLS["_to_dtype"], (value, target), grad=grad)
        return value

    # Recording --------------------------------------------------------------------------------------------

    def record_one(self, impl: OpImpl, args: tuple[Any, ...], edges: dict[int, Any], out: Tensor, aux: Any) -> None:
        """Make `out` the only result of a recorded op."""
        out.node = node = self._node(impl, args, edges, (out._meta,), aux)
        out.requires_grad = True
        if node.outs is not None:
            self._save_outs(node, (out,))

    def _record(self, impl: OpImpl, args: tuple[Any, ...], outs: tuple[Tensor, ...], aux: Any) -> None:
        edges = self._edges_of(impl.spec, args)
        if not edges or not any(out._meta.dtype.is_floating_point for out in outs):
            return
        node = self._node(impl, args, edges, tuple([out._meta for out in outs]), aux)
        for index, out in enumerate(outs):
            if out._meta.dtype.is_floating_point:
                out.node, out.index, out.requires_grad = node, index, True
        if node.outs is not None:
            self._save_outs(node, outs)

    def _save_outs(self, node: Node, outs: tuple[Tensor, ...]) -> None:
        """Keep results that a VJP reads: their arrays, since the tensors themselves would make a cycle."""
        node.outs = tuple([(out.data, out._meta, out.storage, out.storage.version) for out in outs])

    def _edges_of(self, spec: OpSpec, args: tuple[Any, ...]) -> dict[int, Any]:
        edges: dict[int, Any] = {}
        for slot in spec.tensor_slots:
            value = args[slot]
            if type(value) is Tensor:
                if value.base is not None:
                    self.settle(value)
                if value.requires_grad:
                    node = value.node
                    edges[slot] = (value, -1) if node is None else (node, value.index)
            elif type(value) is tuple:
                found = self._edges(value)
                if found is not None:
                    edges[slot] = found
        return edges

    def _node(
        self, impl: OpImpl, args: tuple[Any, ...], edges: dict[int, Any], metas: tuple[Meta, ...], aux: Any
    ) -> Node:
        plan = impl.plan(tuple(edges))
        kept: Any = args
        if plan.dropped:
            kept = list(args)
            for slot in plan.dropped:
                value = args[slot]
                kept[slot] = value._meta if type(value) is Tensor else without_data(value)
        node = Node(impl, kept, edges, metas, self.nodes)
        if plan.kept:
            node.versions = versions_of([args[slot] for slot in plan.kept])
        if plan.uses_aux and aux is not None:
            node.aux = aux
            nbytes = _nbytes(aux)
            if nbytes > PAGE:
                node.held = Storage(nbytes, self.budget)
        if plan.uses_outs:
            node.outs = ()
        if not (plan.kept or plan.uses_aux or plan.uses_outs):
            node.saves = False
        return node

    def _edges(self, values: tuple[Any, ...]) -> list[Edge | None] | None:
        """The edges of a list of tensors; None if no gradient flows to any."""
        edges = [
            edge_of(item) if isinstance(item, Tensor) and self.settle(item).requires_grad else None for item in values
        ]
        return edges if any(edge is not None for edge in edges) else None

    def settle(self, tensor: Tensor) -> Tensor:
        """Give a view whose base has a new history a node of its own, derived from the base's."""
        base = tensor.base
        if base is not None and tensor.rebased != base.rebased:
            tensor.rebased = base.rebased
            if base.requires_grad:
                meta, impl = tensor._meta, IMPLS["as_strided"]
                args = (base, meta.shape, meta.strides, tensor.offset)
                set_history(tensor, self._node(impl, args, {0: edge_of(base)}, (meta,), None), 0)
        return tensor

    # In place ---------------------------------------------------------------------------------------------

    def apply_inplace(self, impl: OpImpl, args: tuple[Any, ...], *, grad: bool) -> Tensor:
        """Run an op and write its result into the first argument; history and views follow."""
        if not args or type(args[0]) is not Tensor:
            raise Malformed(f"{impl.name} in place: the first argument is the id of a tensor", op=impl.name)
        target: Tensor = self.settle(args[0])
        self._check_inplace(impl, args, grad)
        if grad:
            # What the graph knows of the old value must outlive the write: a copy where a VJP reads it.
            first = self._snapshot(target) if self._reads_first(impl, args) else target.alias()
            args = (first, *args[1:])
        result = self.apply(impl, args, grad=grad)
        if grad and target.requires_grad and not impl.spec.differentiable:
            # Nothing of the old value is left: what came before has zeros for a gradient.
            result = self.apply(IMPLS["copy"], (target.alias(), result), grad=True)
        if result._meta.dtype is not target._meta.dtype:
            result = self.apply(IMPLS["_to_dtype"], (result, target._meta.dtype), grad=grad)
        self.write(target, result.data)
        if result.requires_grad:
            if result.node is not None and result.node.outs:
                self._save_outs(result.node, (target,))
            self._rebase(target, result)
        return target

    def write(self, target: Tensor, data: Any) -> None:
        """Overwrite a tensor's elements."""
        self.keep_reads([target])
        self.xp.assign(target.data, data)
        moved_on([target])

    def keep_reads(self, targets: Iterable[Tensor]) -> None:
        """Let reads that have not ended keep what these tensors are now: they are about to be written. All, or none."""
        memories = {target.storage.memory: None for target in targets}
        kept = [(read, *self._copied(read)) for memory in memories for read in memory.pins]
        for read, data, storage in kept:
            read.data, read.storage = data, storage
        for memory in memories:
            memory.pins = ()

    def _copied(self, read: Read) -> tuple[Any, Storage]:
        nbytes = read.meta.nbytes
        self.budget.check(nbytes, "keeping a value that is read and about to be overwritten")
        return self.xp.copy(read.data), Storage(nbytes, self.budget)

    def _check_inplace(self, impl: OpImpl, args: tuple[Any, ...], grad: bool) -> None:
        target: Tensor = args[0]
        if not impl.spec.inplace:
            raise UnsupportedOp(f"{impl.name} has no in-place variant", op=impl.name)
        if grad and self._edges_of(impl.spec, args):
            root = target.origin or target.base
            check_history(
                impl.name,
                leaf=target.requires_grad and target.node is None,
                of_leaf=target.requires_grad and root is not None and root.requires_grad and root.node is None,
                frozen=target.frozen,
            )
        check_inplace(impl.spec, impl.spec.infer(args).metas[0], target._meta)
        if impl.spec.elementwise:
            for other in args[1:]:
                if type(other) is Tensor and other.storage.memory is target.storage.memory:
                    check_overlap(impl.name, target._meta, target.offset, other._meta, other.offset)

    def _reads_first(self, impl: OpImpl, args: tuple[Any, ...]) -> bool:
        """Whether a gradient needs the first argument's value: of a decomposition only its parts would know."""
        return impl.run is None or 0 in impl.plan(tuple(self._edges_of(impl.spec, args))).kept

    def _snapshot(self, tensor: Tensor) -> Tensor:
        self.budget.check(tensor._meta.nbytes, "keeping a value that is about to be overwritten")
        kept = self.wrap(self.xp.copy(tensor.data))
        kept.node, kept.index, kept.requires_grad = tensor.node, tensor.index, tensor.requires_grad
        return kept

    def _rebase(self, target: Tensor, result: Tensor) -> None:
        """Make `target` the tensor that `result` is in the graph; a view hands it on to its base."""
        base = target.base
        if base is None:
            target.rebased += 1
            set_history(target, result.node, result.index)
            return
        base.rebased += 1
        meta, impl = target._meta, IMPLS["as_strided_scatter"]
        args = (base.alias(), result, meta.shape, meta.strides, target.offset)
        node = self._node(impl, args, self._edges_of(impl.spec, args), (base._meta,), None)
        node.saves = not target.alone  # as PyTorch, which keeps there what was done to a view
        set_history(base, node, 0)
        self.settle(target)

    # Walking back -----------------------------------------------------------------------------------------

    def walk(self, *, create_graph: bool, retain: bool) -> Walk:
        mode = self.higher_order if create_graph else self.first_order
        return Walk(mode, retain=retain, admit=self.budget.check)

    def commit(self, walk: Walk) -> None:
        """Put the gradients that a finished walk brought to the leaves into their `.grad`: all, or none."""
        found = {**walk.leaves, **walk.retained}
        if walk.mode is self.higher_order:
            # Copies: what comes back may be the caller's own gradient, or another leaf's.
            clone, add = self.recorded.clone, self.recorded.add
            made = {leaf: clone(g) if leaf.grad is None else add(leaf.grad, g) for leaf, g in found.items()}
        else:
            self.budget.check(sum(leaf._meta.nbytes for leaf in found if leaf.grad is None), "accumulating gradients")
            held = [(leaf.grad, g, leaf in walk.own) for leaf, g in found.items() if leaf.grad is not None]
            for grad, g, _ in held:
                check_writable("backward", grad._meta)
                if grad.shape != g.shape:
                    raise AutogradError(
                        f"a gradient of shape {list(g.shape)} cannot be added to one of shape {list(grad.shape)}: the "
                        "data of the tensor was set to other data in between",
                        op="backward",
                    )
            made = {leaf: self._kept(g, leaf in walk.own) for leaf, g in found.items() if leaf.grad is None}
            self._add_to(held)
        for leaf, grad in made.items():
            leaf.grad = grad

    def _kept(self, g: Any, own: bool) -> Tensor:
        return self.wrap(self.xp.dense(g) if own else self.xp.copy(g))

    def _add_to(self, held: list[tuple[Tensor, Any, bool]]) -> None:
        """Add gradients to those that are there: all memory that this takes is there before the first write."""
        xp, written = self.xp, {owner(grad.data) for grad, _, _ in held}
        apart = [g if own or owner(g) not in written else xp.copy(g) for _, g, own in held]
        grads = [grad for grad, _, _ in held]
        self.keep_reads(grads)
        for grad, g in zip(grads, apart, strict=True):
            xp.add_into(grad.data, g)
        moved_on(grads)


def moved_on(tensors: Iterable[Tensor]) -> None:
    """Count a write to each of these."""
    for tensor in tensors:
        tensor.storage.version += 1


def owner(array: Any) -> int:
    """What an array's memory belongs to; views of it have the same."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


class Recorded:
    """The op namespace on tensors."""

    def __init__(self, engine: Engine, *, grad: bool) -> None:
        self.engine = engine
        self.grad = grad

    @property
    def xp(self) -> Any:
        return self.engine.xp

    def __getattr__(self, name: str) -> Any:
        impl = IMPLS.get(name)
        if impl is None:
            raise UnsupportedOp(f"no kernel for {name}", op=name)
        call = calling(impl.spec, lambda *args: self.engine.apply(impl, args, grad=self.grad))
        setattr(self, name, call)
        return call


class RawMode(Mode):
    """A walk on arrays: first gradients."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.xp = engine.xp
        self.namespace = engine.raw

    def unpack(self, value: Any) -> Any:
        return value.data if type(value) is Tensor else _arrays(value)

    def out(self, node: Node, index: int) -> Any:
        return node.outs[index][0]

    def aux(self, node: Node) -> Any:
        return node.aux

    def fused(self, node: Node, vjp: Vjp, g: Any, needs: tuple[bool, ...]) -> Any:
        return vjp.call(self, node, node.args, g, needs)

    def exact(self, g: Any, meta: Meta) -> Any:
        return self.xp.exact(g, meta.dtype)

    def reduce(self, g: Any, meta: Meta) -> Any:
        return self.xp.sum_to(g, meta.shape)

    def add(self, total: Any, g: Any) -> Any:
        return self.xp.add(total, g)

    def add_into(self, total: Any, g: Any) -> Any:
        return self.xp.add_into(total, g)

    def owns(self, g: Any, others: tuple[Any, ...]) -> bool:
        return self.xp.fills(g) and not self.xp.shares(g, flat_arrays(others))  # type: ignore[no-any-return]


class RecordedMode(Mode):
    """A walk that is itself recorded: gradients that can be differentiated again."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.namespace = engine.recorded

    def unpack(self, value: Any) -> Any:
        return value

    def out(self, node: Node, index: int) -> Any:
        data, meta, storage, _ = node.outs[index]
        tensor = Tensor(data, meta, storage)
        if meta.dtype.is_floating_point:
            tensor.node, tensor.index, tensor.requires_grad = node, index, True
        return tensor

    def aux(self, node: Node) -> Any:
        """What the forward set aside, its arrays as constants."""
        return self._constant(node.aux, node.held)

    def _constant(self, value: Any, held: Storage | None) -> Any:
        if type(value) is tuple:
            return tuple([self._constant(item, held) for item in value])
        if not hasattr(value, "shape"):
            return value
        return self.engine.wrap(value) if held is None else Tensor(value, self.engine.xp.meta_of(value), held)

    def fused(self, node: Node, vjp: Vjp, g: Any, needs: tuple[bool, ...]) -> Any:
        """Record the decomposition again on the saved inputs, and differentiate that."""
        impl, engine = node.impl, self.engine
        floor = last_number()
        # A tensor that stands in two places has a gradient in each: each place gets an edge of its own.
        args = [self._stand_in(value) if slot in node.edges else value for slot, value in enumerate(node.args)]
        again = impl.decomposition(engine.recorded, *args)  # type: ignore[misc]
        outs = again if type(again) is tuple else (again,)
        roots = [(edge_of(out), grad, out._meta) for out, grad in zip(outs, _as_tuple(g), strict=True)]
        walk = engine.walk(create_graph=True, retain=True)
        edges = {position: edge_of(args[position]) for position in node.edges}
        walk.want(edges.values(), [root[0] for root in roots], floor)
        for root in roots:
            if root[1] is not None and root[0][1] >= 0:
                walk.start(*root)
        walk.run()
        return [walk.wanted[edges[p]] if needed else None for p, needed in zip(vjp.positions, needs, strict=True)]

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """The same tensor as the result of an op of its own."""
        made: Tensor = self.engine.recorded.view(tensor, tensor.shape)
        return made

    def exact(self, g: Any, meta: Meta) -> Any:
        return g

    def reduce(self, g: Any, meta: Meta) -> Any:
        return self.engine.recorded.sum_to_size(g, meta.shape)

    def add(self, total: Any, g: Any) -> Any:
        return self.engine.recorded.add(total, g)

    add_into = add  # what is recorded keeps its operands

    def owns(self, g: Any, others: tuple[Any, ...]) -> bool:
        return False


def as_op_error(op: str, error: Exception) -> OpError:
    """What a kernel raised, as an error of ours that is an exception of the same kind."""
    if isinstance(error, OverflowError):
        return OpError(f"{op.strip('_')}: a number is too large for 64 bits, or for the dtype: {error}", op=op)
    kinds = {IndexError: OpIndexError, TypeError: OpTypeError, ValueError: OpValueError}
    return kinds.get(type(error), OpError)(f"{op.strip('_')}: {error}", op=op)


def without_data(value: Any) -> Any:
    """An argument as a node keeps it when no VJP reads it: shape and dtype alone."""
    if isinstance(value, Tensor):
        return value._meta
    if type(value) is tuple:
        return tuple([without_data(item) for item in value])
    return value


def _nbytes(aux: Any) -> int:
    """What a forward set aside takes: arrays, in tuples or not, among numbers."""
    return sum(map(_nbytes, aux)) if type(aux) is tuple else getattr(aux, "nbytes", 0)


def versions_of(values: list[Any]) -> list[tuple[Tensor, int]]:
    """The tensors among arguments, or in lists among them, with their present versions."""
    found: list[tuple[Tensor, int]] = []
    for value in values:
        if type(value) is Tensor:
            found.append((value, value.storage.version))
        elif type(value) is tuple:
            found += versions_of([*value])
    return found


def flat_arrays(values: tuple[Any, ...]) -> list[Any]:
    """Values, those in tuples too, with the arrays of tensors in their place."""
    found: list[Any] = []
    for value in values:
        if type(value) is tuple or type(value) is list:
            found += flat_arrays(tuple(value))
        else:
            found.append(value.data if type(value) is Tensor else value)
    return found


def _arrays(value: Any) -> Any:
    """The arrays of a list of tensors; anything else as it is."""
    if type(value) is tuple and any(type(item) is Tensor for item in value):
        return tuple([item.data if type(item) is Tensor else item for item in value])
    return value


def set_history(tensor: Tensor, node: Node | None, index: int) -> None:
    """Make a tensor that result of a recorded op; a gradient that it keeps is that of what it is now."""
    if tensor.retains and tensor.node is not None:
        tensor.node.retained = tuple([kept for kept in tensor.node.retained if kept[1]() is not tensor])
    tensor.node, tensor.index, tensor.requires_grad = node, index, True
    if tensor.retains and node is not None:
        node.retained = (*node.retained, (index, weakref.ref(tensor)))


def _as_tuple(g: Any) -> tuple[Any, ...]:
    return g if type(g) is tuple else (g,)
