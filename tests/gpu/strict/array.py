"""The array of the strict module: a wrapper over NumPy that behaves as CuPy's and refuses what CuPy refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import indexing
from .machine import dense_strides, poison
from .memory import Block, MemoryPointer
from .rules import NotInStrict
from .signatures import signature, snapshot
from .streams import current_stream

if TYPE_CHECKING:
    from .machine import Machine
    from .module import Functions

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "divmod": "divmod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
"""Python's operators with a reflected form, and an in-place one."""

ONE_WAY = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "neg": "negative",
    "abs": "absolute",
    "invert": "invert",
    "pos": "positive",
}

METHODS = (
    "all any argmax argmin argsort clip conj conjugate cumprod cumsum dot max mean min nonzero prod ptp repeat round "
    "searchsorted std sum take trace var".split()
)
"""Methods that are the function of their name."""

HOST_TYPES = (bool, int, float, complex, np.generic)


class Flags(NamedTuple):
    """What CuPy tells of an array's layout."""

    c_contiguous: bool
    f_contiguous: bool
    owndata: bool

    @property
    def forc(self) -> bool:
        return self.c_contiguous or self.f_contiguous


class ndarray:  # noqa: N801 - CuPy's name
    """An array on a device of `machine`. `_a` is NumPy's view of the block that holds its elements."""

    machine: Machine
    functions: Functions
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> None:
        shape = shape_of(shape)
        dtype = np.dtype(dtype)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        pointer = self.machine.allocate(nbytes) if memptr is None else memptr
        if strides is None:
            axes = range(len(shape)) if order != "F" else reversed(range(len(shape)))
            strides = dense_strides(shape, dtype.itemsize, list(axes))
        self._block: Block = pointer.mem
        self._a = device_view(pointer, shape, strides, dtype)
        self.base: ndarray | None = None
        if memptr is None:
            poison(self._a)

    # What holds it --------------------------------------------------------------------------------------------

    def _reach(self) -> np.ndarray:
        """The elements, for work on the current stream."""
        self._block.touch(current_stream(self.machine))
        return self._a

    def _view(self, view: np.ndarray) -> ndarray:
        """Elements of this array as another one; a copy where NumPy had to make one."""
        if view.size and not np.may_share_memory(view, self._a):
            return self.functions.fresh(view, "C")
        found = object.__new__(type(self))
        found._block, found.base = self._block, self if self.base is None else self.base
        found._a = view if view.flags.writeable else self._writeable(view)
        return found

    def _writeable(self, view: np.ndarray) -> np.ndarray:
        """NumPy gives some views for reading only; CuPy knows no such thing."""
        offset = address_of(view) - self._block.ptr if view.size else 0
        return device_view(MemoryPointer(self._block, offset), view.shape, view.strides, view.dtype)

    @property
    def data(self) -> MemoryPointer:
        return MemoryPointer(self._block, address_of(self._a) - self._block.ptr if self._a.size else 0)

    @property
    def device(self) -> Any:
        return self.machine.classes["Device"](self._block.device_id)

    @property
    def flags(self) -> Flags:
        found = self._a.flags
        return Flags(found.c_contiguous, found.f_contiguous, self.base is None)

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    strides = property(lambda self: self._a.strides)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    T = property(lambda self: self._view(self._a.T))
    mT = property(lambda self: self._view(self._a.mT))  # noqa: N815 - CuPy's name

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._a.shape = shape_of(shape)

    @property
    def real(self) -> ndarray:
        return self._view(self._a.real)

    def __getattr__(self, name: str) -> Any:
        if f"ndarray.{name}" in snapshot()["names"]:
            raise NotInStrict(f"cupy.ndarray.{name}")
        raise AttributeError(f"'ndarray' object has no attribute '{name}'")

    # NumPy stays out ------------------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raise TypeError(f"numpy.{ufunc.__name__} was given an array of the device")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{func.__name__} was given an array of the device")

    # To the host: each of these waits -------------------------------------------------------------------------

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        """The elements on the host; with `blocking=False`, in pinned memory and only after the stream's work."""
        stream = stream or current_stream(self.machine)
        if out is None:
            out = np.empty(self.shape, self.dtype, order="F" if order == "F" else "C")
        if out.shape != self.shape or out.dtype != self.dtype or not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise ValueError("out must be a dense array of the same shape and dtype")
        self._block.touch(stream)
        if not blocking:
            data = np.array(self._a, order="C" if out.flags.c_contiguous else "F").reshape(-1, order="A")
            stream.deliver(data.view(np.uint8), bytes_of(out))
            return out
        self.machine.sync("ndarray.get")
        out[...] = self._a
        stream.complete()
        return out

    def _wait(self, what: str) -> np.ndarray:
        self.machine.sync(what)
        found = self._reach()
        current_stream(self.machine).complete()
        return found

    def item(self) -> Any:
        return self._wait("ndarray.item").item()

    def tolist(self) -> Any:
        return self._wait("ndarray.tolist").tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self._wait("ndarray.tobytes").tobytes(order)

    def __bool__(self) -> bool:
        return bool(self._wait("bool()"))

    def __int__(self) -> int:
        return int(self._wait("int()"))

    def __float__(self) -> float:
        return float(self._wait("float()"))

    def __complex__(self) -> complex:
        return complex(self._wait("complex()"))

    def __repr__(self) -> str:
        return repr(self._wait("repr()"))

    def __str__(self) -> str:
        return str(self._wait("str()"))

    def __format__(self, spec: str) -> str:
        return format(self._wait("format()"), spec)

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Write elements from the host, whose bytes CuPy sets aside before it returns unless they are pinned."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"Shape or dtype mismatch: {arr.shape} {arr.dtype} for {self.shape} {self.dtype}")
        stream = stream or current_stream(self.machine)
        self._block.touch(stream)
        self._a[...] = arr
        if arr.flags.c_contiguous and self.machine.pinned_at(arr.ctypes.data, arr.nbytes):
            stream.watch(bytes_of(arr))

    # Elements -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[place] for place in range(len(self._a)))

    def __getitem__(self, key: Any) -> ndarray:
        return indexing.get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.put(self, key, value)

    def fill(self, value: Any) -> None:
        if not isinstance(value, HOST_TYPES) and not (isinstance(value, ndarray) and not value.ndim):
            raise TypeError(f"fill takes a number, not {type(value)}")
        self._reach()[...] = value._reach() if isinstance(value, ndarray) else value

    def copy(self, order: str = "C") -> ndarray:
        return self.functions.fresh(self._reach(), order)

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        if not copy and np.dtype(dtype) == self.dtype and order in "KA":
            return self
        return self.functions.fresh(convert(self._reach(), np.dtype(dtype)), order)

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return self._view(self._a if dtype is None else self._a.view(dtype))

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
        return self._view(self._reach().reshape(shape_of(wanted), order=order))

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self._a.transpose(*axes))

    def ravel(self, order: str = "C") -> ndarray:
        return self._view(self._reach().ravel(order))

    def flatten(self, order: str = "C") -> ndarray:
        return self.functions.fresh(self._reach().flatten(order), "C")

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return self._view(self._a.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> ndarray:
        return self._view(self._a.squeeze(axis))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
        return self._view(self._a.diagonal(offset, axis1, axis2))

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        self._reach()[...] = self.functions.sort(self, axis)._a

    def put(self, indices: Any, values: Any, mode: str = "wrap") -> None:
        raise NotInStrict("cupy.ndarray.put")

    def __eq__(self, other: Any) -> Any:
        return self._compare("equal", other, False)

    def __ne__(self, other: Any) -> Any:
        return self._compare("not_equal", other, True)

    def _compare(self, name: str, other: Any, unlike: bool) -> ndarray:
        """Nothing equals None, element by element."""
        if other is None:
            return self.functions.full(self.shape, unlike, bool)
        found: ndarray = getattr(self.functions, name)(self, other)
        return found

    def scatter_add(self, slices: Any, value: Any) -> None:
        self.functions.add.at(self, slices, value)

    def scatter_max(self, slices: Any, value: Any) -> None:
        self.functions.maximum.at(self, slices, value)

    def scatter_min(self, slices: Any, value: Any) -> None:
        self.functions.minimum.at(self, slices, value)


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of plain numbers: an array of the device has no `__index__`."""
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    for size in sizes:
        if isinstance(size, ndarray):
            raise TypeError("only integer arrays with one element can be converted to an index")
    return tuple([int(size.__index__()) for size in sizes])


def device_view(pointer: MemoryPointer, shape: Any, strides: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """NumPy's view of memory of a block. Extension dtypes are not made from a buffer: they view one of their size."""
    plain = dtype if dtype.kind != "V" else np.dtype(f"u{dtype.itemsize}")
    if 0 in shape:
        return np.empty(shape, dtype)
    buffer = pointer.mem.buffer
    return np.ndarray(shape, plain, buffer, pointer.ptr - pointer.mem.ptr, strides).view(dtype)


def address_of(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def bytes_of(array: np.ndarray) -> np.ndarray:
    """The bytes of a dense array, in its own memory."""
    return array.reshape(-1, order="A").view(np.uint8)


def convert(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """A cast as the device does it: numbers too large for an integer become its largest, nan becomes 0."""
    if dtype.kind not in "iu" or array.dtype.kind not in "fV":
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    wide = np.nan_to_num(array.astype(np.float64), nan=0.0)
    large = wide >= float(limits.max)
    return np.where(large, dtype.type(limits.max), np.where(large, 0, np.maximum(wide, limits.min)).astype(dtype))


def _forward(name: str) -> Any:
    return lambda self, *others: getattr(self.functions, name)(self, *others)


def _reflected(name: str) -> Any:
    return lambda self, other: getattr(self.functions, name)(other, self)


def _in_place(name: str) -> Any:
    return lambda self, other: getattr(self.functions, name)(self, other, out=self)


def _method(name: str) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        given = signature(f"ndarray.{name}").bind(*args, **kwargs)
        return getattr(self.functions, name)(self, *given.args, **given.kwargs)

    return method


for _operator, _name in OPERATORS.items():
    setattr(ndarray, f"__{_operator}__", _forward(_name))
    setattr(ndarray, f"__r{_operator}__", _reflected(_name))
    if _operator != "divmod":
        setattr(ndarray, f"__i{_operator}__", _in_place(_name))
for _operator, _name in ONE_WAY.items():
    setattr(ndarray, f"__{_operator}__", _forward(_name))
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))
