"""The tensor that users hold: a proxy of one on the server, or, until an op needs it, an array on the host."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from telegrad_protocol import dtypes, wire
from telegrad_protocol.devices import PLACE_SHIFT, device_at
from telegrad_protocol.dtypes import DType
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.shapes import Meta, contiguous, is_contiguous, like
from telegrad_protocol.spec import OPS

from . import _host
from ._absent import Absent
from ._frames import hide_frames
from ._record import append, control, grad_mode, record, stream, weigh
from ._sites import caller
from ._stream import Future
from ._tensor_str import format_scalar, format_tensor, summary_slices
from ._types import Leaf, TensorBase

_sending = threading.RLock()


class _Defaults:
    """What `set_default_dtype`, `set_default_device` and `cuda.set_device` change."""

    dtype: DType = dtypes.float32
    device: str = "cpu"
    cuda_index: int = 0


defaults = _Defaults()


class Size(tuple[int, ...]):
    """A shape; a tuple that prints as PyTorch's.

    >>> import telegrad as tg
    >>> tg.Size([2, 3]).numel()
    6
    """

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        try:
            found = tuple.__getitem__(self, index)
            return Size(found) if isinstance(index, slice) else found
        except (IndexError, TypeError) as problem:
            hide_frames(problem)
            raise

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))


class device:
    """Where a tensor lives: `cpu` or `cuda:0`, on the server.

    >>> import telegrad as tg
    >>> tg.device("cpu").type
    'cpu'
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, name: str | device | int, index: int | None = None) -> None:
        if isinstance(name, device):
            self.type, self.index = name.type, name.index
            return
        text = f"cuda:{name}" if isinstance(name, int) else name
        kind, _, number = text.partition(":")
        if kind not in ("cpu", "cuda"):
            raise RuntimeError(f"Expected one of cpu, cuda device type at start of device string: {text}")
        if number and not number.isdigit():
            raise RuntimeError(f"Invalid device string: '{text}'")
        self.type = kind
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


class TensorType(type):
    """How users make a `Tensor`. Recording makes proxies without it: a class that has no `__init__` is made faster."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if type.__getattribute__(cls, "__init__") is not object.__init__:  # a subclass that is made in its own way
            return super().__call__(*args, **kwargs)
        made: Any = super().__call__()
        made._fill(*args, **kwargs)
        return made

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(inspect.getattr_static(cls, name, None), Absent)]


class Tensor(TensorBase, metaclass=TensorType):
    """A multi-dimensional array on the server, with PyTorch's interface.

    `Tensor(2, 3)` is an uninitialised float32 tensor of that shape, `Tensor([1, 2])` one with these values.
    """

    __array_priority__ = 1000

    def _fill(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            array = _host.array_of(data[0], dtypes.float32)
        else:
            array = np.zeros(data if data else (0,), np.float32)
        self._host = array
        self._meta = contiguous(array.shape, dtypes.float32)

    def __del__(self, release: Any = stream.rows.append) -> None:
        name = self._id
        if name:
            release(-name if self._pressing else name)

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

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its sizes."""
        return self.shape if dim is None else self._meta.shape[dim]

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

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dimension, in elements."""
        return self._meta.strides if dim is None else self._meta.strides[dim]

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
        found: ReadResult = stream.ask("describe", (self._id,), self._place, caller(), _as_is).result()
        return contiguous(found.shape, dtypes.by_name(found.dtype), device_at(self._place >> PLACE_SHIFT))

    # Values ------------------------------------------------------------------------------------------------

    def read(self) -> Future:
        """Ask for the values without waiting: `result()` of what comes back is a NumPy array.

        >>> import telegrad as tg
        >>> tg.ones(2).read().result()
        array([1., 1.], dtype=float32)
        """
        if not self._id:
            future = Future(stream, _as_is)
            future._settle(self._host.copy())
            return future
        place = self.place
        return stream.ask("read", (self._id,), place, caller(), partial(_fetch, device_at(place >> PLACE_SHIFT)))

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as a NumPy array of its own. A tensor that requires grad needs `detach()` or `force=True`."""
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._values()

    def _values(self) -> np.ndarray:
        values: np.ndarray = self.read().result()
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.numpy()
        return values if dtype is None else values.astype(dtype)

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
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
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if self._meta.dtype.category == dtypes.FLOAT or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __iter__(self) -> Iterator[Tensor]:
        if not self._meta.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(len(self))])

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
        from ._indexing import edges

        with _no_grad():
            summary: np.ndarray = edges(self, pieces)._values()
        return summary

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self._meta.ndim else format_scalar(self.item(), spec)

    # Between host and server -------------------------------------------------------------------------------

    def _send(self) -> int:
        with _sending:
            if not self._id:
                base = self._base
                if base is not None:
                    base._send()  # gives its views their names too
                else:
                    _send_values(self)
            return self._id

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), self._values(), self.dtype.name, self.requires_grad, self._meta.device)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
            )
        if id(self) not in memo:
            memo[id(self)] = self._copied()
        copied: Tensor = memo[id(self)]
        return copied

    def _copied(self) -> Tensor:
        with _no_grad():
            twin = _host.tensor_like(self, self._host.copy()) if not self._id else record(OPS["clone"], (self,))
        twin.__class__ = type(self)
        twin.__dict__.update({k: v for k, v in self.__dict__.items() if not k.startswith("_")})
        return twin.requires_grad_(self.requires_grad)

    # Autograd ----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._leaves is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether gradients with respect to this leaf are wanted."""
        if not requires_grad and not self.is_leaf:
            raise RuntimeError("you can only change requires_grad flags of leaf variables.")
        if requires_grad and not self.is_floating_point():
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad == self.requires_grad:
            return self
        before = self._leaves
        if requires_grad:
            self._leaf = self._leaf or Leaf(self)
            self._leaves = frozenset((self._leaf,))
            if self._meta.large:
                weigh(self._leaves)
        else:
            self._leaves = None
        if self._id:
            control("set_requires_grad", self, requires_grad, undo=lambda: setattr(self, "_leaves", before))
        return self

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        leaf = self._leaf
        if leaf is None or not leaf.has_grad:
            return None
        if leaf.grad is None:
            leaf.grad = TensorBase.make(stream.next_id(), like(self._meta))
            control("get_grad", self, outs=leaf.grad._id)
        found: Tensor = leaf.grad
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and (value.shape != self.shape or value.dtype is not self.dtype):
            raise RuntimeError(
                f"assigned grad has data of a different size or type: {value.dtype} {list(value.shape)} for "
                f"{self.dtype} {list(self.shape)}"
            )
        leaf = self._leaf = self._leaf or Leaf(self)
        if value is None and not leaf.has_grad:
            return
        before = leaf.has_grad, leaf.grad
        leaf.has_grad, leaf.grad = value is not None, value
        control("set_grad", self, value, undo=lambda: _restore(leaf, before))

    @property
    def grad_fn(self) -> Any:
        """What made this tensor, by name; None for a leaf."""
        return None if self.is_leaf else GradFn(_backward_name(self._fn))

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if self.place != value.place:
            self._settle_on(value)
            return
        control("set_data", self, value)
        self._meta = value._meta
        self._base, self._offset = value.root, value._offset

    def _settle_on(self, value: Tensor) -> None:
        """Become a tensor with the memory of `value`, which is on another device; a gradient stays behind."""
        twin, left = value.detach(), self._id
        self._id, self._host, twin._id = twin._id, twin._host, 0
        self._meta, self._base, self._offset = twin._meta, twin._base, twin._offset
        self._pressing = True
        if left:
            stream.rows.append(-left)
        if self._leaf is not None:
            self._leaf.has_grad, self._leaf.grad = False, None
        if self._leaves is not None and self._id:
            control("set_requires_grad", self, True)

    @property
    def _version_now(self) -> int:
        return self.root._version

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        if not self._id and self._host is not None:
            return _host.alias(self)
        found: Tensor = record(OPS["detach"], (self,))
        return found

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this tensor to the `.grad` of the leaves it depends on."""
        from . import autograd

        autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Keep the gradient of this result too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self._leaf is not None:
            return
        self._leaf = Leaf(self)
        assert self._leaves is not None
        self._leaves = self._leaves | {self._leaf}
        control("retain_grad", self)

    # Indexing ----------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        from ._indexing import get

        found: Tensor = get(self, index)
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        from ._indexing import put

        put(self, index, value)


class GradFn:
    """Names the op that made a tensor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<{self._name} object>"


TensorBase.proxy = Tensor


def _restore(leaf: Leaf, before: tuple[bool, Any]) -> None:
    leaf.has_grad, leaf.grad = before


def _backward_name(fn: str | None) -> str:
    words = (fn or "").strip("_").split("_")
    return "".join(word.capitalize() for word in words) + "Backward0"


def _as_is(value: Any) -> Any:
    return value


class _no_grad:
    """Grad mode off for a block inside this module; users have `no_grad` in autograd."""

    def __enter__(self) -> None:
        self.before, grad_mode.on = grad_mode.on, False

    def __exit__(self, *exception: object) -> None:
        grad_mode.on = self.before


def _fetch(device: str, result: ReadResult) -> np.ndarray:
    """The array of a device's finished read; large values come on a connection of their own, straight into the array."""
    dtype = _host.NUMPY[dtypes.by_name(result.dtype)]
    if result.data is not None:
        values = np.frombuffer(result.data, dtype).reshape(result.shape).copy()
    else:
        values = np.empty(result.shape, dtype)
        stream.session.download(result.id, device, values.reshape(-1).view(np.uint8).data)
    return _host.widened(values, result.dtype)


def _send_values(tensor: Tensor) -> None:
    """Record the row that makes a host tensor one on the server, and name the views that exist of it."""
    views = [view for view in tensor.family()[1:] if view._host is not None]
    array = np.ascontiguousarray(tensor._host)
    name, meta = stream.next_id(), tensor._meta
    if array.nbytes <= wire.INLINE_BYTES:
        control("constant", array.tobytes(), meta.dtype, meta.shape, outs=name, device=meta.device)
    else:
        control("upload", name, meta.dtype, meta.shape, outs=name, device=meta.device)
        stream.upload(name, array, meta.device)
    tensor._id, tensor._host = name, None
    tensor._pressing = tensor._pressing or meta.large
    if tensor._leaves is not None:
        control("set_requires_grad", tensor, True)
    for view in views:
        view._id, view._host = stream.next_id(), None
        spec = OPS["as_strided"]
        with _no_grad():
            append(spec, (tensor, view._meta.shape, view._meta.strides, view._offset), view._id)


def _rebuild(cls: type[Tensor], values: np.ndarray, dtype: str, requires_grad: bool, device: str) -> Tensor:
    made = _host.from_array(_host.narrowed(values, dtype), dtypes.by_name(dtype), device)
    made.__class__ = cls
    return made.requires_grad_() if requires_grad else made
