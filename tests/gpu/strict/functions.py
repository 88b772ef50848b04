"""The functions of the strict module: NumPy's arithmetic behind CuPy's signatures, gaps and waits."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from . import ufuncs
from .array import HOST_TYPES, ndarray, shape_of
from .indexing import refuse_outside
from .machine import dense_strides
from .rules import NotInStrict, StrictError
from .signatures import signature, snapshot
from .ufuncs import BFLOAT16, HALVES, find_loop, type_of

if TYPE_CHECKING:
    from .machine import Machine

VIEWS: Final = frozenset(
    "array_split atleast_1d atleast_2d atleast_3d broadcast_arrays diagonal expand_dims flip fliplr flipud "
    "hsplit moveaxis permute_dims ravel real reshape rollaxis rot90 split squeeze swapaxes transpose vsplit".split()
)
"""What shows elements of its argument where NumPy does."""

PLAIN: Final = frozenset(
    "all amax amin any around average bincount clip column_stack concatenate count_nonzero cross cumprod cumsum diag "
    "diagflat diff digitize dot dstack einsum flatnonzero histogram hstack inner isclose isin kron lexsort "
    "max mean median meshgrid min nan_to_num nanmax nanmean nanmin nansum outer pad prod ptp repeat roll "
    "round searchsorted signbit stack std sum take_along_axis tensordot tile trace tri tril tril_indices triu "
    "triu_indices unique var vdot vstack argwhere".split()
)
"""What NumPy's function of the name does, into fresh memory."""

WAITS: Final = {
    "argwhere": 1,
    "bincount": 2,
    "flatnonzero": 1,
    "histogram": 4,
    "repeat": 2,
    "tril_indices": 2,
    "triu_indices": 2,
    "unique": 1,
}
"""How often a function waits for the device."""

NO_BFLOAT16: Final = frozenset(
    "argpartition argsort around bincount clip cumprod cumsum digitize dot einsum histogram inner isin lexsort matmul median "
    "partition round searchsorted sort tensordot tril triu unique vdot where".split()
)
"""What refuses bfloat16, fails to compile for it, or makes float32 of it without a word."""

SOLVERS: Final = frozenset("cholesky det eigh eigvalsh inv pinv qr slogdet solve svd".split())


class Functions:
    """A namespace of functions for one machine; `cupy.<name>` is `getattr(functions, name)`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ndarray: type[ndarray] = type("ndarray", (ndarray,), {"machine": machine, "functions": self})

    def __getattr__(self, name: str) -> Any:
        if name in snapshot()["ufuncs"]:
            found: Any = ufuncs.ufunc(self, name)
        elif name in VIEWS or name in PLAIN:
            found = Delegate(self, name, getattr(np, name))
        else:
            raise AttributeError(name)
        setattr(self, name, found)
        return found

    # Operands and results -------------------------------------------------------------------------------------

    def operand(self, value: Any) -> Any:
        """NumPy's form of an operand: an array of the device, or a number. Anything of the host is refused."""
        if isinstance(value, self.ndarray):
            return value._reach()
        if isinstance(value, HOST_TYPES):
            return value
        raise TypeError(f"Unsupported type {type(value)}")

    def array_operand(self, value: Any) -> np.ndarray:
        if not isinstance(value, self.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        return value._reach()

    def fresh(self, result: Any, order: str) -> ndarray:
        """An array with memory of its own: in C's order, Fortran's, or for `?` and `K` in any."""
        result = np.asarray(result)
        axes = list(range(result.ndim))
        if order == "F":
            axes.reverse()
        elif order not in ("C", None):
            axes = self.machine.any_order(result.ndim)
        found = self.ndarray(result.shape, result.dtype, None, dense_strides(result.shape, result.itemsize, axes))
        found._reach()[...] = result
        return found

    # Making ---------------------------------------------------------------------------------------------------

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        return self.ndarray(shape, dtype, order=order)

    def zeros(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        return self.full(shape, 0, dtype, order)

    def ones(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        return self.full(shape, 1, dtype, order)

    def full(self, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
        value = self.operand(fill_value)
        found = self.ndarray(shape, np.asarray(value).dtype if dtype is None else dtype, order=order)
        found._reach()[...] = value
        return found

    def empty_like(
        self, prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
    ) -> ndarray:
        like = self.array_operand(prototype)
        shape = like.shape if shape is None else shape_of(shape)
        dtype = np.dtype(like.dtype if dtype is None else dtype)
        axes = list(range(len(shape))) if order == "C" else self.machine.any_order(len(shape))
        return self.ndarray(shape, dtype, None, dense_strides(shape, dtype.itemsize, axes))

    def full_like(
        self, a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
    ) -> ndarray:
        found = self.empty_like(a, dtype, order, subok, shape)
        found.fill(fill_value)
        return found

    def zeros_like(self, a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
        return self.full_like(a, 0, dtype, order, subok, shape)

    def ones_like(self, a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
        return self.full_like(a, 1, dtype, order, subok, shape)

    def eye(self, N: int, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C") -> ndarray:  # noqa: N803
        return self.fresh(np.eye(N, M, k, dtype=dtype), order)

    def identity(self, n: int, dtype: Any = float) -> ndarray:
        return self.fresh(np.identity(n, dtype), "C")

    def arange(self, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
        bounds = (0, start) if stop is None else (start, stop)
        if not all(isinstance(bound, HOST_TYPES) for bound in (*bounds, step)):
            raise TypeError("arange of bounds on the device waits for them")
        return self.fresh(np.arange(*bounds, step, dtype=dtype), "C")

    def linspace(
        self,
        start: Any,
        stop: Any,
        num: int = 50,
        endpoint: bool = True,
        retstep: bool = False,
        dtype: Any = None,
        axis: int = 0,
    ) -> ndarray:
        if retstep or not all(isinstance(bound, HOST_TYPES) for bound in (start, stop)):
            raise NotInStrict("cupy.linspace of arrays, or with its step")
        return self.fresh(np.linspace(start, stop, num, endpoint, dtype=dtype), "C")

    def array(
        self,
        obj: Any,
        dtype: Any = None,
        copy: bool = True,
        order: str = "K",
        subok: bool = False,
        ndmin: int = 0,
        *,
        blocking: bool = False,
    ) -> ndarray:
        """An array of the device or the host as one of the device; CuPy sets bytes of the host aside and goes on."""
        if isinstance(obj, self.ndarray):
            return self._again(obj, dtype, copy, order, ndmin)
        if isinstance(obj, list | tuple) and any(
            isinstance(item, self.ndarray) for item in np.ravel([*map(type, obj)])
        ):
            raise NotInStrict("cupy.array of a list of arrays")
        if blocking:
            self.machine.sync("array(blocking=True)")
        found = np.array(obj, dtype=dtype, ndmin=ndmin)
        if found.dtype.kind in "OSUM":
            raise ValueError(f"Unsupported dtype {found.dtype}")
        return self.fresh(found, "F" if order == "F" else "C")

    def _again(self, array: ndarray, dtype: Any, copy: Any, order: str | None, ndmin: int) -> ndarray:
        laid = {"C": array.flags.c_contiguous, "F": array.flags.f_contiguous}.get(order or "K", True)
        if not copy and laid and (dtype is None or np.dtype(dtype) == array.dtype):
            found = array
        else:
            found = array.astype(array.dtype if dtype is None else dtype, order or "K")
        missing = ndmin - found.ndim
        return found.reshape((1,) * missing + found.shape) if missing > 0 else found

    def asarray(
        self, a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False
    ) -> ndarray:
        return self.array(a, dtype, bool(copy), order or "K", blocking=blocking)

    def ascontiguousarray(self, a: Any, dtype: Any = None) -> ndarray:
        return self.array(a, dtype, False, "C", ndmin=1)

    def asfortranarray(self, a: Any, dtype: Any = None) -> ndarray:
        return self.array(a, dtype, False, "F", ndmin=1)

    def copy(self, a: Any, order: str = "K") -> ndarray:
        return self.array(a, None, True, order)

    def asnumpy(
        self, a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
    ) -> np.ndarray:
        if not isinstance(a, self.ndarray):
            raise TypeError(f"asnumpy of {type(a)} would not touch the device")
        return a.get(stream, order, out, blocking)

    # Moving and choosing --------------------------------------------------------------------------------------

    def broadcast_to(self, array: Any, shape: Any) -> ndarray:
        if not isinstance(array, self.ndarray):
            raise TypeError(f"Unsupported type {type(array)}")
        return array._view(np.broadcast_to(array._a, shape_of(shape)))

    def copyto(self, dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
        source = self.operand(src)
        if not isinstance(source, bool | int | float | complex) and not np.can_cast(source.dtype, dst.dtype, casting):  # type: ignore[arg-type]
            raise TypeError(f"Cannot cast {source.dtype} to {dst.dtype} by the rule {casting}")
        mask = True if where is None else self.operand(where)
        np.copyto(self.array_operand(dst), source, casting="unsafe", where=mask)

    def where(self, condition: Any, x: Any = None, y: Any = None) -> Any:
        if x is None and y is None:
            return self.nonzero(condition)
        values = [self.operand(value) for value in (x, y)]
        refuse_bfloat16("where", values)
        types = tuple([type_of(value) for value in values])
        loop = find_loop("where", (np.dtype(bool), *types))
        if loop is None:
            raise TypeError(f"Wrong type ({types}) of arguments for cupy_where")
        mask = np.asarray(self.operand(condition)).astype(bool)
        return self.fresh(np.where(mask, *[np.asarray(value).astype(loop.outs[0]) for value in values]), "?")

    def nonzero(self, a: Any) -> tuple[ndarray, ...]:
        self.machine.sync("nonzero")
        return tuple([self.fresh(places, "C") for places in np.nonzero(np.atleast_1d(self.array_operand(a)))])

    def take(self, a: Any, indices: Any, axis: Any = None, out: Any = None) -> Any:
        array, index = self.array_operand(a), self.operand(indices)
        refuse_outside(np.asarray(index), array.size if axis is None else array.shape[axis])
        return self._deliver(np.take(array, index, axis), out, "?")

    def put_along_axis(self, arr: Any, indices: Any, values: Any, axis: Any) -> None:
        raise NotInStrict("cupy.put_along_axis")

    # Sorting --------------------------------------------------------------------------------------------------

    def sort(self, a: Any, axis: Any = -1, kind: Any = None) -> ndarray:
        return self.fresh(np.sort(self._sortable("sort", a, kind), axis, kind="stable"), "?")

    def argsort(self, a: Any, axis: Any = -1, kind: Any = None) -> ndarray:
        return self.fresh(np.argsort(self._sortable("argsort", a, kind), axis, kind="stable"), "?")

    def _sortable(self, name: str, a: Any, kind: Any) -> np.ndarray:
        """CuPy sorts stably, and takes the word for it and no other."""
        if kind not in (None, "stable"):
            raise ValueError(f"unsupported kind for {name}: {kind}")
        array = self.array_operand(a)
        refuse_bfloat16(name, [array])
        if not array.ndim:
            raise ValueError("Sorting arrays with the rank of zero is not supported")
        return array

    # Over axes ------------------------------------------------------------------------------------------------

    def argmax(self, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._extreme(np.argmax, a, axis, dtype, out, keepdims)

    def argmin(self, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._extreme(np.argmin, a, axis, dtype, out, keepdims)

    def _extreme(self, function: Any, a: Any, axis: Any, dtype: Any, out: Any, keepdims: bool) -> Any:
        found = np.asarray(function(widened(self.array_operand(a)), axis, keepdims=keepdims))
        return self._deliver(found.astype(dtype or np.int64), out, "?")

    def _deliver(self, result: Any, out: Any, order: str) -> Any:
        if out is None:
            return self.fresh(result, order)
        target, result = self.array_operand(out), np.asarray(result)
        if target.shape != result.shape:
            raise ValueError(f"Out shape is mismatched: {target.shape} {result.shape}")
        target[...] = result
        return out

    # Products -------------------------------------------------------------------------------------------------

    def matmul(self, *args: Any, out: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        signature("matmul").bind(*args, out=out, dtype=dtype, **kwargs)  # type: ignore[union-attr]
        if kwargs or dtype is not None:
            raise NotInStrict("cupy.matmul with options")
        a, b = [self.array_operand(value) for value in args[:2]]
        if max(a.ndim, b.ndim) > 2 and (a.dtype in HALVES or b.dtype in HALVES):
            raise TypeError("batched matmul of halves: fails for bfloat16, and casts float16 to float32 and back")
        return self._deliver(np.matmul(widened(a), widened(b)).astype(np.result_type(a, b)), out, "?")

    # Names and types ------------------------------------------------------------------------------------------

    def result_type(self, *arrays_and_dtypes: Any) -> np.dtype[Any]:
        return np.result_type(*[v._a if isinstance(v, self.ndarray) else v for v in arrays_and_dtypes])

    def can_cast(self, from_: Any, to: Any, casting: str = "safe") -> bool:
        return np.can_cast(from_.dtype if isinstance(from_, self.ndarray) else from_, to, casting)  # type: ignore[arg-type]

    def shape(self, a: Any) -> tuple[int, ...]:
        return self.array_operand(a).shape

    def ndim(self, a: Any) -> int:
        return self.array_operand(a).ndim

    def size(self, a: Any, axis: Any = None) -> int:
        return np.size(self.array_operand(a), axis)

    def may_share_memory(self, a: Any, b: Any, max_work: Any = None) -> bool:
        return np.may_share_memory(self.array_operand(a), self.array_operand(b))

    shares_memory = may_share_memory

    def get_array_module(self, *args: Any) -> Any:
        raise NotInStrict("cupy.get_array_module")

    def as_strided(self, x: Any, shape: Any = None, strides: Any = None) -> ndarray:
        """A view within the block; real CuPy would let it reach anywhere."""
        array = self.array_operand(x)
        found = np.lib.stride_tricks.as_strided(array, shape, strides)
        low, high = np.lib.array_utils.byte_bounds(found) if found.size else (x.data.ptr, x.data.ptr)
        if low < x._block.ptr or high > x._block.ptr + x._block.size:
            raise StrictError("a strided view reaches beyond its block")
        return x._view(found)

    def sliding_window_view(
        self, x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
    ) -> ndarray:
        array = self.array_operand(x)
        return x._view(np.lib.stride_tricks.sliding_window_view(array, window_shape, axis, writeable=True))


class Delegate:
    """NumPy's function of a name, called by CuPy's signature."""

    def __init__(self, functions: Functions, name: str, function: Any, full: str | None = None) -> None:
        self.functions, self.name, self.function = functions, name, function
        found = signature(full or name)
        assert found is not None, name
        self.__signature__ = found
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self.__signature__.bind(*args, **kwargs).arguments
        functions, out = self.functions, given.pop("out", None)
        operands = [v for v in flattened(given.values()) if isinstance(v, functions.ndarray)]
        self._check(given, operands)
        positional, named = translated(self.function, self.__signature__, given)
        with np.errstate(all="ignore"):
            result = self.function(*map(self._host, positional), **{k: self._host(v) for k, v in named.items()})
        return self._wrap(result, operands, out)

    def _check(self, given: dict[str, Any], operands: list[ndarray]) -> None:
        if not operands and self.name not in ("tri", "tril_indices", "triu_indices"):
            raise TypeError(f"cupy.{self.name} of {[type(value) for value in given.values()]}")
        refuse_bfloat16(self.name, operands)
        waits = WAITS.get(self.name, 0)
        if waits and not (self.name == "repeat" and isinstance(given["repeats"], int)):
            self.functions.machine.sync(self.name, waits)
        if self.name == "take_along_axis":
            refuse_outside(given["indices"]._a, given["a"].shape[given["axis"]])

    def _host(self, value: Any) -> Any:
        """An argument as NumPy takes it: arrays, numbers, options, and sequences of them; no array of the host."""
        if isinstance(value, list | tuple):
            return type(value)([self._host(item) for item in value])
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        if not isinstance(value, self.functions.ndarray):
            return value
        found = value._reach()
        return found if self.name in VIEWS else widened(found)

    def _wrap(self, result: Any, operands: list[ndarray], out: Any) -> Any:
        if isinstance(result, tuple | list):
            kind = list if isinstance(result, list) else tuple
            return kind([self._wrap(part, operands, None) for part in result])
        if self.name in VIEWS:
            return operands[0]._view(result)
        result = np.asarray(result)
        half = next((a.dtype for a in operands if a.dtype in HALVES), None)
        if half is not None and result.dtype == np.float32 and all(a.dtype == half for a in operands):
            result = result.astype(half)
        return self.functions._deliver(result, out, "?")


class Solver(Delegate):
    """A factorization by cuSOLVER, whose verdict CuPy does not look at: what cannot be factored gives nan."""

    def __init__(self, functions: Functions, name: str) -> None:
        super().__init__(functions, name, getattr(np.linalg, name), f"linalg.{name}")

    def _check(self, given: dict[str, Any], operands: list[ndarray]) -> None:
        if len(operands) != sum(not isinstance(value, str | bool) for value in given.values()):
            raise TypeError(f"cupy.linalg.{self.name} of {[type(value) for value in given.values()]}")
        for array in operands:
            if array.dtype in HALVES:
                raise TypeError(f"array type {array.dtype} is unsupported in linalg")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except np.linalg.LinAlgError as error:
            if "dimensional" in str(error) or "square" in str(error):
                raise
            like = [value for value in args if isinstance(value, ndarray)][-1]
            return self.functions.full_like(like, np.nan)


def refuse_bfloat16(name: str, operands: Any) -> None:
    if name in NO_BFLOAT16 and any(getattr(value, "dtype", None) == BFLOAT16 for value in operands):
        raise TypeError(f"cupy.{name} of bfloat16")


def widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype in HALVES else array


def flattened(values: Any) -> list[Any]:
    """Arguments, those in lists and tuples one by one."""
    found: list[Any] = []
    for value in values:
        found += flattened(value) if isinstance(value, list | tuple) else [value]
    return found


def translated(function: Any, known: inspect.Signature, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by CuPy's names as NumPy's function takes them: by its own names where it has them, else by place."""
    names = _parameters(function)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for place, (name, parameter) in enumerate(known.parameters.items()):
        if name not in given:
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += given[name]
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named |= given[name]
        elif len(positional) == place:
            positional.append(given[name])
        elif name in names:
            named[name] = given[name]
        else:
            raise NotInStrict(f"cupy.{function.__name__} with {name}")
    return positional, named


@cache
def _parameters(function: Any) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
