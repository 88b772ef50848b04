"""PyTorch's CPU random generator: the same seed, the same calls, the same numbers, without PyTorch.

`MersenneGenerator` consumes its stream word for word as the CPU kernels of PyTorch 2.13 do, so that different
draws may be mixed freely, and `get_state` and `set_state` speak PyTorch's own 5056 bytes.

Where PyTorch itself depends on the machine, one answer holds here everywhere. On Intel processors its builds
with MKL draw a Bernoulli with one probability for all (so `dropout`) from a generator of MKL's seeded with one
word; on all others, and here, from the stream, two words a value. Builds without AVX2 differ in the last bit
of a normal. Equal keys without replacement (weights of zero) come out lowest index first.
"""

import math
from typing import NamedTuple

import numpy as np

from telegrad_protocol.errors import OpError
from telegrad_server.backend.dtypes import BFLOAT16, DIGITS

from . import mersenne_twister as twister
from .draw_arguments import (
    INT64_MIN,
    NAMES,
    bounds,
    cast,
    check_exponential,
    check_multinomial,
    check_normal,
    check_permutation,
    check_probability,
    check_uniform,
    floating,
    known,
    largest,
)

_HALF, _FLOAT, _DOUBLE = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
_LONG, _BOOL = np.dtype(np.int64), np.dtype(np.bool_)

_STATE = np.dtype(
    [
        ("seed", np.uint64),
        ("left", np.int32),
        ("seeded", np.int32),
        ("position", np.uint64),
        ("words", np.uint64, twister.STATE_WORDS),
        ("unused_x", np.float64),
        ("normal", np.float64),
        ("unused_rho", np.float64),
        ("has_normal", np.int32),
        ("float_normal", np.float32),
        ("has_float_normal", np.bool_),
    ],
    align=True,
)


class Snapshot(NamedTuple):
    """All that a generator remembers; made by `snapshot`, read by `restore`."""

    seed: int
    words: np.ndarray
    left: int
    position: int
    normal: float | None
    float_normal: float | None


class MersenneGenerator:
    """PyTorch's CPU generator. Draws return fresh C-contiguous arrays; a refused draw consumes nothing.

    Bad arguments raise `OpError`, with PyTorch's words; a dtype that PyTorch has no kernel for raises
    `NotImplementedError`, which is one.

    >>> MersenneGenerator(0).rand((2,)).tolist()
    [0.49625658988952637, 0.7682217955589294]
    """

    def __init__(self, seed: int = 67280421310721):
        self.manual_seed(seed)

    # ------------------------------------------------------------------ state

    def manual_seed(self, seed: int) -> "MersenneGenerator":
        """Start the stream of `seed`, from -2**63 to 2**64 - 1; a negative one counts from 2**64 down."""
        if not INT64_MIN <= seed < 2**64:
            raise OpError(f"Overflow when unpacking long long: the seed {seed} does not fit into 64 bits")
        self._seed = seed % 2**64
        self._words = twister.seeded(self._seed)
        self._left, self._position = 1, 0
        self._normal: float | None = None
        self._float_normal: float | None = None
        return self

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self._seed

    def snapshot(self) -> Snapshot:
        """A copy of the state, about a microsecond's work."""
        return Snapshot(self._seed, self._words.copy(), self._left, self._position, self._normal, self._float_normal)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to `snapshot`, which stays good for another time."""
        self._seed, words, self._left, self._position, self._normal, self._float_normal = snapshot
        self._words = words.copy()

    def get_state(self) -> np.ndarray:
        """The state as PyTorch writes it: uint8 `[5056]`."""
        state = np.zeros((), _STATE)
        state["seed"], state["words"] = self._seed, self._words
        state["left"], state["position"], state["seeded"] = self._left, self._position, 1
        if self._normal is not None:
            state["normal"], state["has_normal"] = self._normal, 1
        if self._float_normal is not None:
            state["float_normal"], state["has_float_normal"] = self._float_normal, True
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: np.ndarray) -> None:
        """Go on from a state that this class or PyTorch wrote: uint8 `[5056]`."""
        if state.dtype != np.uint8:
            raise OpError(f"RNG state must be a torch.ByteTensor, but it is {state.dtype}")
        if state.size != _STATE.itemsize:
            raise OpError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} "
                f"but found the input RNG state size to be {state.size}"
            )
        fields = np.frombuffer(state.tobytes(), _STATE)[0]
        left, position = int(fields["left"]), int(fields["position"])
        if not fields["seeded"] or left < 1 or position + left - 1 > twister.STATE_WORDS:
            raise OpError("Invalid mt19937 state")
        self._seed, self._words = int(fields["seed"]), fields["words"].astype(np.uint32)
        self._left, self._position = left, position
        self._normal = float(fields["normal"]) if fields["has_normal"] else None
        self._float_normal = float(fields["float_normal"]) if fields["has_float_normal"] else None

    # ------------------------------------------------------------------ words and units

    def _words32(self, count: int) -> np.ndarray:
        out = np.empty(count, np.uint32)
        self._left, self._position = twister.draw(self._words, self._left, self._position, out)
        return out

    def _words64(self, count: int) -> np.ndarray:
        """Two words each, the first the high one."""
        pairs = self._words32(2 * count).reshape(count, 2)
        return pairs[:, 0].astype(np.uint64) << np.uint64(32) | pairs[:, 1]

    def _units(self, count: int, dtype: np.dtype = _DOUBLE, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Uniform over `[low, high)` in the precision that PyTorch computes `dtype` in."""
        # NumPy allocates the result: its allocator is counted, numba's is not.
        if dtype == _DOUBLE:
            out = np.empty(count, np.float64)
            twister.uniform64(self._words32(2 * count), float(low), float(high) - float(low), out)
            return out
        base, out = np.float32(low), np.empty(count, np.float32)
        twister.uniform32(self._words32(count), base, np.float32(high) - base, out)
        return out

    # ------------------------------------------------------------------ uniform and normal

    def rand(self, shape, dtype=np.float32) -> np.ndarray:
        """Uniform over [0, 1)."""
        return self.uniform(shape, dtype)

    def uniform(self, shape, dtype=np.float32, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Uniform over `[low, high)`."""
        dtype = floating(dtype, "check_uniform_bounds")
        check_uniform(low, high, dtype)
        values = cast(self._units(math.prod(shape), dtype, low, high), dtype)
        # Rounding may reach the excluded end.
        values[values == dtype.type(high)] = dtype.type(low)
        return values.reshape(shape)

    def randn(self, shape, dtype=np.float32) -> np.ndarray:
        """Normal with mean 0 and deviation 1."""
        return self.normal(shape, dtype)

    def normal(self, shape, dtype=np.float32, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
        """Normal. Fewer than 16 values are drawn singly, and one may stay over for the next such draw."""
        dtype = floating(dtype, "normal_kernel_cpu")
        check_normal(std)
        count = math.prod(shape)
        values = self._normals(count, mean, std) if count < 16 else self._normal_blocks(count, dtype, mean, std)
        return cast(values, dtype).reshape(shape)

    def _normal_blocks(self, count: int, dtype: np.dtype, mean: float, std: float) -> np.ndarray:
        """Blocks of 16. A ragged end is made good by drawing the last 16 values again."""
        transform, kind = (twister.box_muller64, float) if dtype == _DOUBLE else (twister.box_muller32, np.float32)
        # PyTorch draws a unit for each value of 32 bits and more, but below that only for whole blocks.
        missing = 0 if dtype in (_FLOAT, _DOUBLE) else count % 16
        values = self._units(count - missing, dtype)
        if missing:
            values = np.append(values, np.empty(missing, np.float32))
        transform(values, kind(mean), kind(std))
        if count % 16:
            values[-16:] = self._units(16, dtype)
            transform(values[-16:], kind(mean), kind(std))
        return values

    def _normals(self, count: int, mean: float, std: float) -> np.ndarray:
        """Float64 normals made in pairs, the odd one kept for next time."""
        if not count:
            return np.empty(0)
        kept = [] if self._normal is None else [self._normal]
        fresh = count - len(kept)
        pairs = self._units(fresh + fresh % 2)
        twister.normal_pairs(pairs)
        self._normal = float(pairs[-1]) if fresh % 2 else None
        values = np.concatenate([kept, pairs[:fresh]])
        twister.scale(values, float(mean), float(std))
        return values

    def log_normal(self, shape, dtype=np.float32, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
        """The exponential of a normal."""
        dtype = floating(dtype, "log_normal_cpu")
        if not std > 0:
            raise OpError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        values = self._normals(math.prod(shape), mean, std)
        twister.exponentiate(values)
        return cast(values, dtype).reshape(shape)

    # ------------------------------------------------------------------ other continuous draws

    def exponential(self, shape, dtype=np.float32, lambd: float = 1.0) -> np.ndarray:
        """Exponential with rate `lambd`."""
        dtype = np.dtype(dtype)
        check_exponential(lambd, dtype)
        values = self._units(math.prod(shape))
        twister.exponential(values, -1.0 / float(lambd))
        return cast(values, dtype).reshape(shape)

    def cauchy(self, shape, dtype=np.float32, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
        """Cauchy about `median`."""
        dtype = np.dtype(dtype)
        if not sigma > 0:
            raise OpError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        if dtype not in DIGITS:
            raise OpError(
                "Cauchy distribution is a continuous probability distribution. "
                f"dtype must be a floating point but you specified {NAMES[dtype][1]}"
            )
        values = self._units(math.prod(shape))
        twister.cauchy(values, float(median), float(sigma))
        return cast(values, dtype).reshape(shape)

    # ------------------------------------------------------------------ discrete draws

    def geometric(self, shape, dtype=np.float32, p: float = 0.5) -> np.ndarray:
        """Trials up to the first success of probability `p`."""
        if not 0 < p < 1:
            raise OpError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        values = self._units(math.prod(shape))
        twister.geometric(values, float(p))
        return cast(values, known(dtype, "geometric_cpu")).reshape(shape)

    def bernoulli(self, p, shape=None, dtype=None) -> np.ndarray:
        """One where a unit is below `p`: a number for all of `shape`, or an array that broadcasts to it.

        The defaults are float32 for a number, and the shape and dtype of an array. A number and a float64 array
        take two words a value, any other array one.
        """
        if isinstance(p, np.ndarray):
            return self._bernoulli_each(p, p.shape if shape is None else shape, p.dtype if dtype is None else dtype)
        check_probability(p)
        dtype = known(np.float32 if dtype is None else dtype, "bernoulli_scalar_cpu_")
        return (self._units(math.prod(shape)) < p).astype(dtype).reshape(shape)

    def _bernoulli_each(self, p: np.ndarray, shape, dtype) -> np.ndarray:
        dtype = known(dtype, "bernoulli_tensor_cpu_self_")
        floating(p.dtype, "bernoulli_tensor_cpu_p_")
        if not ((p >= 0) & (p <= 1)).all():
            raise OpError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
        units = self._units(math.prod(shape), p.dtype)
        return (units.reshape(shape) < np.broadcast_to(p.astype(units.dtype), shape)).astype(dtype)

    def randint(self, low: int, high: int | None, shape, dtype=np.int64) -> np.ndarray:
        """Integers of `[low, high)`; without `high`, up to the dtype's largest (a float's largest exact)."""
        dtype = known(dtype, "random_from_to_kernel_cpu")
        if low == INT64_MIN and high is None:
            return self._all_integers(shape, dtype)
        low, last = bounds(low, high, dtype)
        span = last - low + 1
        # Below 2**28 one word leaves a skew that PyTorch accepts.
        words = self._words64(math.prod(shape)) if span >= 2**28 else self._words32(math.prod(shape))
        values = _modulo(words, span).astype(np.uint64, copy=False)
        values += np.uint64(low % 2**64)
        return cast(values.view(np.int64), dtype).reshape(shape)

    def _all_integers(self, shape, dtype: np.dtype) -> np.ndarray:
        if dtype not in (_LONG, _DOUBLE, _FLOAT, BFLOAT16):
            raise OpError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
        return cast(self._words64(math.prod(shape)).view(np.int64), dtype).reshape(shape)

    def random(self, shape, dtype=np.int64) -> np.ndarray:
        """Integers from 0 to the dtype's largest; for floats, to the largest up to which all are exact."""
        dtype = known(dtype, "random_kernel_cpu")
        words = (self._words64 if dtype in (_LONG, _DOUBLE) else self._words32)(math.prod(shape))
        values = _modulo(words, largest(dtype) + 1)
        return cast(values.astype(np.int64), dtype).reshape(shape)

    def randperm(self, n: int, dtype=np.int64) -> np.ndarray:
        """A permutation of `0 … n - 1`, for fewer than 214,748,364 (PyTorch shuffles more in another way)."""
        dtype = known(dtype, "randperm")
        check_permutation(n, dtype)
        out = np.arange(n)
        twister.shuffle(out, self._words32(max(n - 1, 0)))
        return cast(out, dtype)

    def multinomial(self, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
        """Indices drawn by `weights`: `[n]` gives int64 `[num_samples]`, `[rows, n]` one such row for each."""
        check_multinomial(weights, num_samples, replacement)
        if not weights.size:
            return np.empty((*weights.shape[:-1], num_samples), np.int64)
        if replacement and num_samples > 1:
            return self._with_replacement(weights, num_samples)
        _check_keys(weights)
        # The race: the smallest of exponentials with these rates comes first.
        with np.errstate(divide="ignore", over="ignore"):
            keys = weights / self.exponential(weights.shape, weights.dtype)
        if num_samples == 1:
            return keys.argmax(-1, keepdims=True)
        return np.argsort(-keys.astype(np.float64), axis=-1, kind="stable")[..., :num_samples].copy()

    def _with_replacement(self, weights: np.ndarray, num_samples: int) -> np.ndarray:
        rows = weights.astype(np.promote_types(weights.dtype, np.float32)).reshape(-1, weights.shape[-1])
        sums = np.cumsum(rows, axis=1)
        _check_sums(rows, sums[:, -1])
        sums /= sums[:, -1:].copy()
        sums[:, -1] = 1
        units = self._units(len(rows) * num_samples).reshape(len(rows), num_samples)
        drawn = [
            np.searchsorted(cumulated.astype(np.float64), unit) for cumulated, unit in zip(sums, units, strict=True)
        ]
        return np.array(drawn, np.int64).reshape(*weights.shape[:-1], num_samples)


def _modulo(words: np.ndarray, span: int) -> np.ndarray:
    # Division by one number is vectorised in NumPy, the remainder is not.
    span = words.dtype.type(span)
    words -= words // span * span
    return words


def _check_keys(weights: np.ndarray) -> None:
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise OpError("probability tensor contains either `inf`, `nan` or element < 0")
    if not weights.any(axis=-1).all():
        raise OpError("invalid multinomial distribution (sum of probabilities <= 0)")


def _check_sums(rows: np.ndarray, totals: np.ndarray) -> None:
    if not (rows >= 0).all():
        raise OpError("invalid multinomial distribution (encountering probability entry < 0)")
    if not np.isfinite(rows).all():
        raise OpError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
    if not (totals > 0).all():
        raise OpError("invalid multinomial distribution (sum of probabilities <= 0)")
