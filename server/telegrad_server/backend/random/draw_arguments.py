"""Checks of the arguments of draws, for every generator: dtypes, ranges and sizes, with PyTorch's messages."""

import ml_dtypes
import numpy as np

from telegrad_protocol.dtypes import C_NAMES, TYPE_NAMES
from telegrad_protocol.errors import OpError, UnsupportedOp
from telegrad_server.backend.dtypes import DIGITS, FROM_NUMPY

_HALF, _FLOAT, _DOUBLE, _BOOL = (np.dtype(kind) for kind in (np.float16, np.float32, np.float64, np.bool_))
NAMES = {native: (TYPE_NAMES[dtype], C_NAMES[dtype]) for native, dtype in FROM_NUMPY.items()}
"""What PyTorch's messages call a dtype: as a scalar type, and as a C++ type."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def known(dtype, kernel: str) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype not in NAMES:
        raise UnsupportedOp(f'"{kernel}" not implemented for {dtype}')
    return dtype


def floating(dtype, kernel: str) -> np.dtype:
    dtype = known(dtype, kernel)
    if dtype not in DIGITS:
        raise UnsupportedOp(f"\"{kernel}\" not implemented for '{NAMES[dtype][0]}'")
    return dtype


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """As C++ casts: to 16-bit floats by way of float32, to integers by way of int64."""
    with np.errstate(over="ignore"):
        if dtype in DIGITS and dtype.itemsize < 4:
            values = values.astype(np.float32, copy=False)
        elif dtype.kind in "iu":
            values = values.astype(np.int64, copy=False)
        return values.astype(dtype, copy=False)


def largest(dtype: np.dtype) -> int:
    """The largest integer of `dtype`; of a float, that up to which all are exact."""
    if dtype in DIGITS:
        return 2 ** DIGITS[dtype]
    return 1 if dtype == _BOOL else int(np.iinfo(dtype).max)


def check_uniform(low: float, high: float, dtype: np.dtype) -> None:
    limit = float(ml_dtypes.finfo(dtype).max)
    name, cpp = NAMES[dtype]
    for label, bound in (("from", low), ("to", high)):
        if not -limit <= bound <= limit:
            raise OpError(f"{label} is out of bounds for {cpp}")
    if low > high:
        raise OpError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > limit:
        raise OpError(
            f"uniform_ expects to-from <= std::numeric_limits<{name}>::max(), but found to={high:g} "
            f"and from={low:g} which result in to-from to exceed the limit"
        )


def check_normal(std: float) -> None:
    if not std >= 0:
        raise OpError(f"normal expects std >= 0.0, but found std {std:g}")


def check_exponential(lambd: float, dtype: np.dtype) -> None:
    if dtype not in DIGITS:
        raise OpError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {NAMES[dtype][0]}"
        )
    if not lambd > 0:
        raise OpError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")


def check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise OpError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")


def _exact(value: int, dtype: np.dtype) -> int:
    """`value` after a round trip through a float dtype, as a processor does it."""
    rounded = cast(np.array(value, np.int64), dtype).astype(np.float64)
    return int(rounded) if abs(rounded) < 2.0**63 else INT64_MIN


def _step(value: int, dtype: np.dtype) -> int:
    """The distance of neighbours at `value` in a float dtype."""
    return 1 << max(abs(value).bit_length() - DIGITS[dtype], 0)


def bounds(low: int, high: int | None, dtype: np.dtype) -> tuple[int, int]:
    """The first and the last integer to draw, moved inwards to ones that a float dtype can hold."""
    if not (INT64_MIN <= low <= INT64_MAX and (high is None or high <= INT64_MAX)):
        raise OpError(f"Overflow when unpacking long long: from={low}, to={high}")
    if high is not None and low >= high:
        raise OpError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    last = largest(dtype) if high is None else high - 1
    if dtype in DIGITS:
        if (up := _exact(low + 1, dtype)) < low:
            low = up + _step(low + 1, dtype)
        if high is not None and (down := _exact(last, dtype)) > last:
            last = down - _step(last, dtype) - 1
        if low > last:
            raise OpError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={last + 1}"
            )
    _check_range(low, last, dtype)
    return low, last


def _check_range(low: int, last: int, dtype: np.dtype) -> None:
    if dtype == _BOOL:
        least, most = 0, 1
    else:
        info = ml_dtypes.finfo(dtype) if dtype in DIGITS else np.iinfo(dtype)
        least, most = info.min, info.max
    for label, bound in (("from", low), ("to - 1", last)):
        if not least <= bound <= most:
            raise OpError(f"{label} is out of bounds for {NAMES[dtype][1]}")


def check_permutation(n: int, dtype: np.dtype) -> None:
    if n < 0:
        raise OpError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if n >= (2**32 - 1) // 20:
        raise OpError(f"randperm of {n} numbers: at most {(2**32 - 1) // 20 - 1} are supported")
    if dtype == _BOOL:
        raise UnsupportedOp("\"randperm\" not implemented for 'Bool'")
    if dtype in (_HALF, _FLOAT, _DOUBLE) and n > largest(dtype) + 1:
        raise OpError(f"n cannot be greater than {largest(dtype) + 1} for {NAMES[dtype][0]} type.")
    if dtype not in DIGITS and n > largest(dtype):
        raise OpError(f"value cannot be converted to type {dtype.name}_t without overflow")


def check_multinomial(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    if not 1 <= weights.ndim <= 2:
        raise OpError("prob_dist must be 1 or 2 dim")
    if weights.dtype not in DIGITS:
        name = NAMES[known(weights.dtype, "multinomial")][0]
        raise OpError(f"multinomial only supports floating-point dtypes for input, got: {name}")
    if num_samples <= 0:
        raise OpError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > weights.shape[-1]:
        raise OpError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if weights.shape[-1] > 2**24:
        raise OpError("number of categories cannot exceed 2^24")
