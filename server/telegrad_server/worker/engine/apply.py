"""Runs ops on tensors: infers, casts, admits memory, calls kernels, records. Knows no op by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import (
    OpError,
    OpIndexError,
    OpTypeError,
    OpValueError,
    OutOfMemory,
    TelegradError,
    UnsupportedOp,
)
from telegrad_protocol.shapes import Meta
from telegrad_protocol.spec import Inferred, OpSpec
from telegrad_server.kernels import IMPLS, Raw
from telegrad_server.kernels.registry import OpImpl, calling
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.tensor import Storage, Tensor, count_writes

from .tape import Tape
from .views import wrap_views

if TYPE_CHECKING:
    from telegrad_server.worker.transfers import Read


class Engine:
    """Ops on one device for one session, whose memory `budget` counts and whose graph is on `tape`.

    `raw` is the op namespace on bare arrays; `recorded` and `unrecorded` are those on tensors, with grad mode on and off.
    """

    def __init__(self, xp: Any, budget: Budget) -> None:
        self.xp = xp
        self.budget = budget
        self.tape = Tape(budget)
        self.raw = Raw(xp)
        self.recorded = Recorded(self, grad=True)
        self.unrecorded = Recorded(self, grad=False)

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
            data = self._in_own_memory(self.xp.dense(data), args)
            if not meta.full:
                data = self.xp.exact(data, meta.dtype)
        except MemoryError as error:
            self.refuse(impl, error)
        out = Tensor(data, meta, Storage(nbytes, self.budget))
        if grad and spec.differentiable and meta.floating:
            edges = self.tape.edges_of(spec, args)
            if edges:
                self.tape.to_tape(impl, args, edges, out, aux)
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
            self.tape.all_to_tape(impl, args, outs, aux)
        return outs[0] if spec.returns is not None and len(spec.returns) == 1 else outs

    def _run(self, impl: OpImpl, args: tuple[Any, ...]) -> tuple[Any, Any]:
        arrays = [value.data if type(value) is Tensor else value for value in args]
        if impl.spec.takes_lists:
            arrays = [arrays_of_list(value) for value in arrays]
        try:
            result = impl.run(self.xp, *arrays)  # type: ignore[misc]
        except Exception as error:
            self.refuse(impl, error)
        return result if impl.has_aux else (result, None)

    def refuse(self, impl: OpImpl, error: Exception) -> NoReturn:
        """Raise the error that a kernel's failure means for the user: an error of ours, lack of memory, or a defect."""
        if isinstance(error, TelegradError):  # the budget's OutOfMemory too
            raise error
        if isinstance(error, MemoryError):
            raise self.budget.exhausted(impl.name) from error
        if isinstance(error, ArithmeticError | IndexError | TypeError | ValueError):
            raise as_op_error(impl.name, error) from error
        raise error

    def _wrap_results(self, spec: OpSpec, inferred: Inferred, result: Any, args: tuple[Any, ...], grad: bool) -> Any:
        if inferred.offset is not None:
            return wrap_views(spec, inferred, result, args[spec.tensor_slots[0]], grad)
        results = result if type(result) in (tuple, list) else (result,)
        results = [self._in_own_memory(self.xp.dense(data), args) for data in results]
        if not spec.static_shape:
            return tuple([self.wrap(data) for data in results])
        return tuple(
            [
                Tensor(self.xp.exact(data, meta.dtype), meta, Storage(meta.nbytes, self.budget))
                for data, meta in zip(results, inferred.metas, strict=True)
            ]
        )

    def _in_own_memory(self, data: Any, args: tuple[Any, ...]) -> Any:
        """A kernel's result, copied if it is an argument or a view of one."""
        arrays = [item.data for arg in args for item in (arg if type(arg) is tuple else (arg,)) if type(item) is Tensor]
        if data.base is None and not any(data is array for array in arrays):
            return data
        return self.xp.apart(data, tuple(arrays))

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

    # Writing --------------------------------------------------------------------------------------------

    def write(self, target: Tensor, data: Any) -> None:
        """Overwrite a tensor's elements."""
        self.keep_reads([target])
        self.xp.assign(target.data, data)
        count_writes([target])

    def keep_reads(self, targets: Iterable[Tensor]) -> None:
        """Copy, for reads that have not ended, the tensors that are about to be written: all of them, or none."""
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


def as_op_error(op: str, error: Exception) -> OpError:
    """A kernel's exception, as an error of ours that is an exception of the same kind."""
    if isinstance(error, OverflowError):
        return OpError(f"{op.strip('_')}: a number is too large for 64 bits, or for the dtype: {error}", op=op)
    kinds = {IndexError: OpIndexError, TypeError: OpTypeError, ValueError: OpValueError}
    return kinds.get(type(error), OpError)(f"{op.strip('_')}: {error}", op=op)


def arrays_of_list(value: Any) -> Any:
    """The arrays of a list of tensors; another value as it is."""
    if type(value) is tuple and any(type(item) is Tensor for item in value):
        return tuple([item.data if type(item) is Tensor else item for item in value])
    return value
