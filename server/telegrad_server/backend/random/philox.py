"""The random generator of CUDA devices: Philox4x32-10, whose state is a seed and a position, known on the host.

Word w of a seed's stream is word w % 4 of the block w // 4: the ten rounds of Philox (Salmon et al., *Parallel random
numbers: as easy as 1, 2, 3*, SC 2011) on the block's number as counter and the seed as key. A draw takes whole blocks,
so that a kernel can compute any part of it anywhere, and no draw waits to learn where the next one starts.

How words become numbers is said here once; `random.cu` does the same, and the tests hold it to these functions:

- a unit has a dtype's digits, the top bits of one word (of two, the low one first, for float64), over [0, 1);
- normals come in pairs by Box and Muller, the first unit moved to (0, 1];
- an exponential is the logarithm of a unit in (0, 1), midway between its neighbours;
- an integer is 64 bits modulo the span; a truth is a word below the probability.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from telegrad_protocol.errors import OpError
from telegrad_server.backend.dtypes import DIGITS

from .draw_arguments import INT64_MIN

_MULTIPLIERS: Final = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_STEPS: Final = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))
_ROUNDS: Final = 10
_LOW: Final = np.uint64(0xFFFFFFFF)
_STATE: Final = np.dtype([("seed", np.uint64), ("block", np.uint64)])


class Counter(NamedTuple):
    """Where a draw starts: the seed, and the number of its first block."""

    seed: np.uint64
    block: np.uint64


class PhiloxGenerator:
    """A stream of words by seed. `take` says where a draw starts, and moves on.

    >>> generator = PhiloxGenerator(7)
    >>> generator.take(5).block, generator.take(1).block
    (np.uint64(0), np.uint64(2))
    """

    def __init__(self, seed: int = 67280421310721) -> None:
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> PhiloxGenerator:
        """Start the stream of `seed`, from -2**63 to 2**64 - 1; a negative one counts from 2**64 down."""
        if not INT64_MIN <= seed < 2**64:
            raise OpError(f"Overflow when unpacking long long: the seed {seed} does not fit into 64 bits")
        self._seed, self._block = seed % 2**64, 0
        return self

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self._seed

    def take(self, words: int) -> Counter:
        """Where so many words start; the next draw comes after them."""
        counter = Counter(np.uint64(self._seed), np.uint64(self._block))
        self._block = (self._block + (words + 3) // 4) % 2**64
        return counter

    def snapshot(self) -> tuple[int, int]:
        """The state, to go back to."""
        return self._seed, self._block

    def restore(self, snapshot: tuple[int, int]) -> None:
        """Go back to `snapshot`, which stays good for another time."""
        self._seed, self._block = snapshot

    def get_state(self) -> np.ndarray:
        """The state, uint8 `[16]`, on the host: the seed and the number of the next block."""
        return np.frombuffer(np.array((self._seed, self._block), _STATE).tobytes(), np.uint8).copy()

    def set_state(self, state: np.ndarray) -> None:
        """Go on from a state that this class wrote: uint8 `[16]`, on the host."""
        if state.dtype != np.uint8:
            raise OpError(f"RNG state must be a torch.ByteTensor, but it is {state.dtype}")
        if state.size != _STATE.itemsize:
            raise OpError(f"RNG state is wrong size: expected {_STATE.itemsize} bytes, got {state.size}")
        fields = np.frombuffer(state.tobytes(), _STATE)[0]
        self._seed, self._block = int(fields["seed"]), int(fields["block"])


# The reference -------------------------------------------------------------------------------------------------------


def words(counter: Counter, count: int) -> np.ndarray:
    """The first `count` words, uint32, of the stream from a counter on."""
    numbers = np.arange((count + 3) // 4, dtype=np.uint64) + counter.block
    zeros = np.zeros_like(numbers)
    blocks = [numbers & _LOW, numbers >> np.uint64(32), zeros, zeros]
    key = [np.uint32(counter.seed & _LOW), np.uint32(counter.seed >> np.uint64(32))]
    return np.stack(scrambled(blocks, key), 1).astype(np.uint32).reshape(-1)[:count]


def scrambled(counter: list[np.ndarray], key: list[np.uint32]) -> list[np.ndarray]:
    """The four words of each block: ten rounds on its counter, four words in uint64 each, with a key of two."""
    with np.errstate(over="ignore"):
        for _ in range(_ROUNDS):
            counter = _round(counter, key)
            key = [half + step for half, step in zip(key, _STEPS, strict=True)]
    return counter


def _round(counter: list[np.ndarray], key: list[np.uint32]) -> list[np.ndarray]:
    first, second = counter[0] * _MULTIPLIERS[0], counter[2] * _MULTIPLIERS[1]
    return [
        second >> np.uint64(32) ^ counter[1] ^ key[0],
        second & _LOW,
        first >> np.uint64(32) ^ counter[3] ^ key[1],
        first & _LOW,
    ]


def words64(counter: Counter, count: int) -> np.ndarray:
    """64-bit words: two of the stream each, the low one first."""
    pairs = words(counter, 2 * count).reshape(count, 2).astype(np.uint64)
    return pairs[:, 1] << np.uint64(32) | pairs[:, 0]


def words_per_value(dtype: np.dtype) -> int:
    """How many words a unit of this dtype takes."""
    return 2 if dtype == np.float64 else 1


def units(counter: Counter, count: int, dtype: np.dtype) -> np.ndarray:
    """Uniform over [0, 1), in float64 for float64 and in float32 for all others."""
    if dtype == np.float64:
        return (words64(counter, count) >> np.uint64(11)) * 2.0**-53
    digits = DIGITS[np.dtype(dtype)]
    return (words(counter, count) >> np.uint32(32 - digits)).astype(np.float32) * np.float32(2.0**-digits)


def normals(counter: Counter, count: int, dtype: np.dtype) -> np.ndarray:
    """Normal with mean 0 and deviation 1: pairs of units give pairs of values."""
    wide = np.float64 if dtype == np.float64 else np.float32
    pairs = units(counter, count + count % 2, wide).reshape(-1, 2)
    tiny = wide(2.0 ** -DIGITS[np.dtype(wide)])
    radius, angle = np.sqrt(-2 * np.log(pairs[:, 0] + tiny)), wide(2 * math.pi) * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count]


def exponentials(counter: Counter, count: int, dtype: np.dtype) -> np.ndarray:
    """Exponential with rate 1; never 0."""
    if dtype == np.float64:
        return -np.log(((words64(counter, count) >> np.uint64(12)) + 0.5) * 2.0**-52)
    halfway = (words(counter, count) >> np.uint32(9)).astype(np.float32) + np.float32(0.5)
    return -np.log(halfway * np.float32(2.0**-23))


def integers(counter: Counter, count: int, low: int, span: int) -> np.ndarray:
    """Integers from `low` on, `span` of them; 2**64 of them for all."""
    drawn = words64(counter, count)
    drawn = drawn if span == 2**64 else drawn % np.uint64(span)
    return (drawn + np.uint64(low % 2**64)).view(np.int64)


def truths(counter: Counter, count: int, p: float | np.ndarray) -> np.ndarray:
    """True with probability `p`."""
    return words(counter, count) < np.asarray(p, np.float64) * 2.0**32
