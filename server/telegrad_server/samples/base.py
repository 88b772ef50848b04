"""Samples of ops, and the arrays for them.

A sample is a call of an op, with a `T` for each tensor. Every sample is used by the tests (values, gradients, second
order, finite differences, metadata, wire, the REST routes) and by `telegrad doctor`.

    sample("add", T(3, 4), T(4), alpha=2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from telegrad_protocol.dtypes import by_name
from telegrad_protocol.spec import OPS
from telegrad_server.backend.dtypes import TO_NUMPY


@dataclass(frozen=True, init=False)
class T:
    """A tensor argument: shape, dtype and the range its values are drawn from, seeded by its position in the sample.

    `distinct`: all values differ, as sorting and maxima need. `values`: the values themselves. `grad`: its gradient is
    tested, for a floating dtype.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    distinct: bool
    values: Any
    grad: bool

    def __init__(
        self,
        *shape: int,
        dtype: str = "float32",
        low: float = -2.0,
        high: float = 2.0,
        distinct: bool = False,
        values: Any = None,
        grad: bool = True,
    ) -> None:
        for name, value in (
            ("shape", shape if values is None else np.shape(values)),
            ("dtype", dtype),
            ("low", low),
            ("high", high),
            ("distinct", distinct),
            ("values", values),
            ("grad", grad and dtype in FLOATING),
        ):
            object.__setattr__(self, name, value)

    def make(self, seed: int, dtype: str | None = None) -> np.ndarray:
        """The array; `dtype` replaces a floating dtype, as finite differences need float64."""
        wanted = dtype if dtype is not None and self.dtype in FLOATING else self.dtype
        return np.array(self._draw(np.random.default_rng(seed))).astype(numpy_dtype(wanted))

    def _draw(self, rng: np.random.Generator) -> Any:
        if self.values is not None:
            return self.values
        if self.dtype == "bool":
            return rng.integers(0, 2, self.shape)
        if self.distinct:
            count = int(np.prod(self.shape))
            return rng.permutation(np.linspace(self.low, self.high, count)).reshape(self.shape)
        if self.dtype in FLOATING:
            return rng.uniform(self.low, self.high, self.shape)
        return rng.integers(int(self.low), int(self.high) + 1, self.shape)


FLOATING = ("float16", "bfloat16", "float32", "float64")


def numpy_dtype(name: str) -> np.dtype[Any]:
    return TO_NUMPY[by_name(name)]


class Sample(NamedTuple):
    """One call of an op. `oracle`: PyTorch has the same function; compare with it. `second`: compare second-order gradients
    too. `smooth`: compare gradients with finite differences.
    """

    op: str
    args: tuple[Any, ...]
    oracle: bool = True
    second: bool = True
    smooth: bool = True

    def tensors(self) -> list[T]:
        """The tensor arguments in order, those in lists too."""
        return [t for value in self.args for t in (value if isinstance(value, tuple) else (value,)) if isinstance(t, T)]

    def __str__(self) -> str:
        shown = ", ".join(_brief(value) for value in self.args)
        return f"{self.op}({shown})"


def _brief(value: Any) -> str:
    if isinstance(value, T):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, tuple) and value and isinstance(value[0], T):
        return "[" + ", ".join(map(_brief, value)) + "]"
    return repr(value)


SAMPLES: dict[str, list[Sample]] = {}


def sample(op: str, *args: Any, oracle: bool = True, second: bool = True, smooth: bool = True, **kwargs: Any) -> None:
    """Add a sample; arguments are bound as the op's declaration says.

    `oracle`, `second` and `smooth` are the sample's own and described there.
    """
    bound = OPS[op].bind(*[_frozen(a) for a in args], **{k: _frozen(v) for k, v in kwargs.items()})
    SAMPLES.setdefault(op, []).append(Sample(op, bound, oracle, second, smooth))


def sample_unary(op: str, low: float = -2.0, high: float = 2.0) -> None:
    """Add samples of a function of one tensor, with values of this range: a matrix, a single number, no elements."""
    for shape in ((3, 4), (), (0, 2)):
        sample(op, T(*shape, low=low, high=high))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
