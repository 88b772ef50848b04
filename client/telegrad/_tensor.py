"""The tensor that users hold: a proxy of one on the server, or, until an op needs it, an array on the host."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.devices import DEVICE_SHIFT, device_at
from telegrad_protocol.dtypes import DType
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.shapes import Meta, contiguous, is_contiguous, like, wrap_dim
from telegrad_protocol.spec import OPS

from ._api import host_ops, host_tensors, indexing, known_values
from ._api.absent import Absent
from ._api.deferred import deferring
from ._api.deferred_numbers import arriving
from ._api.printing import format_scalar, format_tensor, summary_slices
from ._api.size import Size
from ._api.uploading import uploaded
from ._runtime.defaults import defaults
from ._runtime.devices import device
from ._runtime.grad_mode import born, grad_mode, grad_wanted
from ._runtime.process import stream
from ._stream.changes import Change
from ._stream.reads import Future
from ._tracing.arguments import by_device
from ._tracing.call_sites import call_site
from ._tracing.contents import left_behind, mark_bulk_written, set_stray, since
from ._tracing.frames import hide_frames
from ._tracing.leaf_sets import Leaf, LeafSet, only, union
from ._tracing.proxy import TensorBase
from ._tracing.record import record
from ._tracing.rows import control

if TYPE_CHECKING:
    from ._api.declared import Declared
    from ._api.signatures import Index, Operand
else:
    Declared = TensorBase  # the methods of declared ops are attached later; type checkers have them from a stub

T = TypeVar("T")

ITERATED: Final = 1 << 12
"""Rows of a tensor that iterating unbinds at once; later rows follow as the loop comes to them."""

RETAINED: Final[weakref.WeakSet[Leaf]] = weakref.WeakSet()
"""The gradient states of results that keep their gradient."""


_MEMORY: Final = ("_meta", "_base", "_memory", "_offset", "_version", "_own_version", "_stray")
"""What a tensor knows of its memory."""


class TensorType(type):
    """How users make a `Tensor`. Recording makes proxies without it: a class that has no `__init__` is made faster."""

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        if type.__getattribute__(cls, "__init__") is not object.__init__:  # a subclass that is made in its own way
            return super().__call__(*args, **kwargs)  # type: ignore[misc,no-any-return]
        made: Any = super().__call__()  # type: ignore[misc]
        made._fill(*args, **kwargs)
        return made  # type: ignore[no-any-return]

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(inspect.getattr_static(cls, name, None), Absent)]


class Tensor(Declared, metaclass=TensorType):
    """A multi-dimensional array on the server, with PyTorch's interface.

    `Tensor(2, 3)` is an uninitialised float32 tensor of that shape, `Tensor([1, 2])` one with these values.
    """

    __array_priority__ = 1000

    if TYPE_CHECKING:

        def __init__(self, *data: Any) -> None: ...

    def _fill(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            array = host_tensors.array_of(data[0], dtypes.float32)
        else:
            array = np.zeros(data if data else (0,), np.float32)
        born(self)._host = array
        self._meta = contiguous(array.shape, dtypes.float32)

    __del__ = stream.queue.finalizer()

    # Metadata ---------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        try:
            return Size(self._meta.shape)
        except BaseException as problem:  # a shape that depends on values may turn out to have failed
            hide_frames(problem)
            raise

    @property
    def dtype(self) -> DType:
        return self._meta.dtype

    @property
    def device(self) -> device:
        return device(self._meta.device)

    @property
    def ndim(self) -> int:
        return self._meta.ndim

    @property
    def is_cuda(self) -> bool:
        return self._meta.device.startswith("cuda")

    @property
    def itemsize(self) -> int:
        return self._meta.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._meta.nbytes

    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: int) -> int: ...
    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or one of its sizes."""
        return self.shape if dim is None else self._meta.shape[self._axis(dim)]

    def _axis(self, dim: int) -> int:
        if not self._meta.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return wrap_dim(dim, self._meta.ndim)

    def dim(self) -> int:
        """The number of dimensions."""
        return self._meta.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._meta.numel

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._meta.dtype.itemsize

    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: int) -> int: ...
    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Steps between neighbours along each dimension, in elements."""
        return self._meta.strides if dim is None else self._meta.strides[self._axis(dim)]

    def storage_offset(self) -> int:
        """Where the first element lies in the memory that views share, in elements."""
        return self._offset

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return is_contiguous(self._meta.shape, self._meta.strides)

    def is_floating_point(self) -> bool:
        return self._meta.dtype.is_floating_point

    def is_complex(self) -> bool:
        return False

    def __len__(self) -> int:
        if not self._meta.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._meta.shape[0]

    def _resolve_meta(self) -> Meta:
        """Ask the server for a shape that depends on values."""
        found: ReadResult = stream.ask("describe", (self._id,), self._device_bits, call_site(), _as_is).result()
        return contiguous(found.shape, dtypes.by_name(found.dtype), device_at(self._device_bits >> DEVICE_SHIFT))

    # Values ------------------------------------------------------------------------------------------------

    def read(self) -> Future:
        """Ask for the values without waiting: `result()` of what comes back is a NumPy array.

        >>> import telegrad as tg
        >>> tg.ones(2).read().result()
        array([1., 1.], dtype=float32)
        """
        if not self._id:
            future = Future(stream, _as_is)
            future.set_result(host_tensors.widened(self._host.copy(), self.dtype.name))
            return future
        stream.check_own(self._id)
        return known_values.read(self)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as a NumPy array of its own. A tensor that requires grad needs `detach()` or `force=True`."""
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._values()

    def _values(self) -> np.ndarray:
        if not self._id:
            return host_tensors.widened(self._host.copy(), self.dtype.name)
        values: np.ndarray = self.read().result()
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.numpy()
        return values if dtype is None else values.astype(dtype)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Tensor:
        """A tensor of what NumPy computed of tensors; of truth values one of uint8, as in PyTorch."""
        array = array.astype(np.uint8) if array.dtype == np.bool_ else np.array(array)
        return host_tensors.from_array(array, host_tensors.dtype_of(array), "cpu")

    def item(self) -> Any:
        """The one element as a Python number; under `deferred()` as one that waits when it is looked at."""
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        if deferring.on and self._id:
            return arriving(self.read(), self._meta.dtype)
        return self._values().reshape(()).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._values().tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            many = "more than one value" if self.numel() else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {many} is ambiguous")
        return bool(self.item())

    def __int__(self) -> int:
        return int(self._only_element())

    def __float__(self) -> float:
        return float(self._only_element())

    def _only_element(self) -> Any:
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __index__(self) -> int:
        if self._meta.dtype.category == dtypes.FLOAT or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __iter__(self) -> Iterator[Tensor]:
        if not self._meta.ndim:
            raise TypeError("iteration over a 0-d tensor")
        if self.is_on_host and self._leaves is None:
            return iter(host_ops.rows(self))
        rows = len(self)
        if rows <= ITERATED:
            return iter(record(OPS["unbind"], (self, 0)))
        pieces = (record(OPS["narrow"], (self, 0, at, min(ITERATED, rows - at))) for at in range(0, rows, ITERATED))
        return chain.from_iterable(record(OPS["unbind"], (piece, 0)) for piece in pieces)

    def __hash__(self) -> int:
        return id(self)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})

    def __repr__(self) -> str:
        return format_tensor(
            self._edges(),
            dtype=self.dtype.name,
            shape=self._meta.shape,
            requires_grad=self.requires_grad and self.is_leaf,
            grad_fn=None if self.is_leaf else f"<{_backward_name(self._fn)}>",
            device=self._meta.device,
            default_dtype=defaults.dtype.name,
        )

    def _edges(self) -> np.ndarray:
        """What a printed summary shows: all values of a small tensor, the edges of a large one."""
        pieces = summary_slices(self._meta.shape)
        if all(len(cuts) == 1 for cuts in pieces):
            return self._values()
        with grad_wanted(False):
            summary: np.ndarray = indexing.edges(self, pieces)._values()
        return summary

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self._meta.ndim else format_scalar(self.item(), spec)

    # Between host and server -------------------------------------------------------------------------------

    def _upload(self) -> int:
        return uploaded(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), self._values(), self.dtype.name, self.requires_grad, self._meta.device)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
                "If you were attempting to deepcopy a module, copy it before its parameters are computed from others."
            )
        if id(self) not in memo:
            memo[id(self)] = self._copied()
        copied: Tensor = memo[id(self)]
        return copied

    def _copied(self) -> Tensor:
        with grad_wanted(False):
            twin = host_tensors.tensor_like(self, self._host.copy()) if not self._id else record(OPS["clone"], (self,))
        twin.__class__ = type(self)
        twin.__dict__.update({k: v for k, v in self.__dict__.items() if not k.startswith("_")})
        return twin.requires_grad_(self.requires_grad)

    # Autograd ----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad_now()

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and not self.is_floating_point():
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        self.requires_grad_(wanted)

    def _asks_requires_grad(self) -> bool:
        """Ask the server, which alone knows what a gradient depends on."""
        assert self._leaves is not None
        found: ReadResult = stream.ask("describe", (self._id,), self.device_bits, call_site(), _as_is).result()
        if found.data == b"\1":
            self._leaves = self._leaves.uncertain(requires_grad=True)
            return True
        self._leaves = self._fn = None
        return False

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether gradients with respect to this leaf are wanted."""
        if not requires_grad and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and not self.is_floating_point():
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and self.is_inference() and not grad_mode.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if requires_grad == self.requires_grad:
            return self
        before, after = self._leaves, None
        if requires_grad:
            self._leaf = self._leaf or Leaf(self)
            after = only(self._leaf)
            after.large = self._meta.large
        if not self._id:
            self._leaves = after
            return self
        change = Change(lambda: setattr(self, "_leaves", after), lambda: setattr(self, "_leaves", before))
        control("set_requires_grad", self, requires_grad, change=change)
        return self

    def is_inference(self) -> bool:
        """Whether its memory was made in inference mode."""
        return self.root._inference

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        leaf = self._leaf
        if leaf is None or leaf.has_grad is False:
            return None
        if leaf.has_grad is None:
            ask_has_grad([self])
        if leaf.has_grad and leaf.grad is None:
            made = TensorBase.make(stream.next_id(), like(self._meta))
            made._bulk_written = True
            if leaf.grad_leaves is not None:
                made._leaves, made._fn, made._free_now = leaf.grad_leaves, "gradients", True
            control("get_grad", self, outs=made._id)
            leaf.grad = made
        found: Tensor | None = leaf.grad
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._check_grad(value)
            mark_bulk_written([value])
        leaf = self._leaf = self._leaf or Leaf(self)
        if value is None and leaf.has_grad is False:
            return
        before, after = leaf.state(), (value is not None, value, None)
        since.bulk_write()
        control("set_grad", self, value, change=Change(lambda: leaf.restore(after), lambda: leaf.restore(before)))
        since.bulk_write()

    def _check_grad(self, value: Any) -> None:
        """Raise unless a value may become this tensor's gradient."""
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
            )
        same = "Please ensure that the gradient and the tensor are"
        if value._meta.shape != self._meta.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. {same} the same size"
            )
        if value._meta.dtype is not self._meta.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{dtypes.C_NAMES[value._meta.dtype]}' to a tensor with "
                f"grad_dtype '{dtypes.TYPE_NAMES[self.dtype]}'. {same} of one dtype"
            )
        if value._meta.device != self._meta.device:
            raise RuntimeError(
                f"attempting to assign a gradient located on device '{value.device}' to a tensor located on device "
                f"'{self.device}'. {same} on the same device"
            )

    @property
    def grad_fn(self) -> GradFn | None:
        """What made this tensor, by name; None for a leaf."""
        return None if self.is_leaf else GradFn(_backward_name(self._fn))

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph; writes to it are not seen by what autograd has saved."""
        if self.is_on_host:
            return host_tensors.alias(self, own_version=True)
        found: Tensor = record(OPS["_data"], (self,))
        return found

    @data.setter
    def data(self, value: Tensor) -> None:
        if self.device_bits != value.device_bits:
            self._move_to_memory_of(value)
            return
        before = {name: getattr(self, name) for name in _MEMORY}
        version, left = self.counter._version, left_behind(self)

        def apply() -> None:
            self._meta = value._meta
            set_stray(left, True)
            self._takes_memory_of(value, version)

        def undo() -> None:
            self.__dict__.update(before)
            set_stray(left, False)

        control("set_data", self, value, change=Change(apply, undo))

    def _takes_memory_of(self, value: TensorBase, version: int) -> None:
        self._base, self._memory, self._offset = None, value.root, value._offset
        self._version, self._own_version = version, True
        self._stray, self._known = value._stray, None
        if self._bulk_written:
            mark_bulk_written([value])
        value.root.add_alias(self)

    def _move_to_memory_of(self, value: Tensor) -> None:
        """Become a tensor with the memory of `value`, which is on another device; a gradient stays behind."""
        twin, left_id = value.detach(), self._id
        set_stray(left_behind(self), True)
        self._id, self._host, twin._id = twin._id, twin._host, 0
        self._meta = twin._meta
        self._takes_memory_of(twin, self.counter._version)
        self._free_now = True
        if left_id:
            stream.queue.free(left_id, now=True)
        if self._leaf is not None:
            self._leaf.restore((False, None, None))
        if self._leaves is not None and self._id:
            control("set_requires_grad", self, True)

    @property
    def _version_now(self) -> int:
        return self.counter._version

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        if self.is_on_host:
            return host_tensors.alias(self)
        found: Tensor = record(OPS["detach"], (self,))
        return found

    def retain_grad(self) -> None:
        """Keep the gradient of this result too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self.retains_grad:
            return
        leaf = self._leaf = self._leaf or Leaf(self)
        before, moved = self._leaves, leaf.moved

        def keep(keeps: bool, moved: bool, leaves: LeafSet | None) -> None:
            leaf.keeps, leaf.moved, self._leaves = keeps, moved, leaves

        RETAINED.add(leaf)
        kept = partial(keep, True, self._renewed, union(before, only(leaf)))
        control("retain_grad", self, change=Change(kept, partial(keep, False, moved, before)))

    @property
    def retains_grad(self) -> bool:
        """Whether this result keeps its gradient."""
        return self._leaf is not None and self._leaf.keeps

    # Indexing ----------------------------------------------------------------------------------------------

    def __getitem__(self, index: Index) -> Tensor:
        found: Tensor = indexing.get(self, index)
        return found

    def __delitem__(self, index: Index) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __setitem__(self, index: Index, value: Operand | list[Any]) -> None:
        indexing.put(self, index, value)


class GradFn:
    """Names the op that made a tensor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<{self._name} object>"


TensorBase.proxy = Tensor


def ask_has_grad(tensors: list[Tensor]) -> None:
    """Ask the server which of these have a gradient, where the client cannot know; one wait for each device."""
    asked = [t for t in tensors if t._leaf is not None and t._leaf.has_grad is None]
    answers = [
        (found, stream.ask("has_grad", (tuple([t._id for t in found]),), found[0].device_bits, call_site(), _as_is))
        for found in by_device(asked)
    ]
    for found, answer in answers:
        for tensor, has in zip(found, answer.result().data, strict=True):
            assert tensor._leaf is not None
            tensor._leaf.has_grad = bool(has)


def _backward_name(fn: str | None) -> str:
    words = (fn or "").strip("_").split("_")
    return "".join(word.capitalize() for word in words) + "Backward0"


def _as_is(value: Any) -> Any:
    return value


def _rebuild(cls: type[Tensor], values: np.ndarray, dtype: str, requires_grad: bool, device: str) -> Tensor:
    made = host_tensors.from_array(host_tensors.narrowed(values, dtype), dtypes.by_name(dtype), device)
    made.__class__ = cls
    return made.requires_grad_() if requires_grad else made
