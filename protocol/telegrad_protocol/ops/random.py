"""Random numbers. On the CPU they are PyTorch's, draw by draw."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpError, OpValueError, ShapeError
from telegrad_protocol.rules import need_floating, not_implemented
from telegrad_protocol.shapes import Meta, contiguous, like
from telegrad_protocol.spec import Checked, Device, Generator, Number, Rule, Size, Tensor, op


def _drawn(kernel: str) -> Rule:
    def rule(size: tuple[int, ...], dtype: DType | None, _generator: object, device: str | None) -> Meta:
        found = contiguous(size, dtype or dtypes.float32, device)
        _need_continuous(found.dtype, kernel)
        return found

    return rule


@op(_drawn("check_uniform_bounds"), on="torch", differentiable=False)
def rand(
    size: Size, *, dtype: DType | None = None, generator: Generator | None = None, device: Device | None = None
) -> Tensor:
    """Uniform numbers in [0, 1)."""


@op(_drawn("normal_kernel_cpu"), on="torch", differentiable=False)
def randn(
    size: Size, *, dtype: DType | None = None, generator: Generator | None = None, device: Device | None = None
) -> Tensor:
    """Normal numbers with mean 0 and variance 1."""


def _randint(
    low: int, high: int, size: tuple[int, ...], dtype: DType | None, _generator: object, device: str | None
) -> Meta:
    if low >= high:
        raise ShapeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}", argument="high"
        )
    return contiguous(size, dtype or dtypes.int64, device)


@op(_randint, on="torch", differentiable=False)
def randint(
    low: int,
    high: int,
    size: Size,
    *,
    dtype: DType | None = None,
    generator: Generator | None = None,
    device: Device | None = None,
) -> Tensor:
    """Integers in [low, high)."""


@op(lambda n, dtype, _, device: contiguous((n,), dtype or dtypes.int64, device), on="torch", differentiable=False)
def randperm(
    n: int, *, dtype: DType | None = None, generator: Generator | None = None, device: Device | None = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order."""


def _like_floating(kernel: str) -> Rule:
    """As the input, which must be of a floating dtype; `kernel` is PyTorch's name in the error."""

    def rule(input: Meta, *_: object) -> Meta:
        _need_continuous(input.dtype, kernel)
        return like(input)

    return rule


def _need_continuous(dtype: DType, kernel: str) -> None:
    if dtype.category != dtypes.FLOAT:
        raise not_implemented(kernel, dtype)


@op(_like_floating("bernoulli_tensor_cpu_p_"), on="torch tensor", differentiable=False)
def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in `input`, zeros otherwise."""


def _multinomial(input: Meta, num_samples: int, replacement: bool, _generator: object) -> Meta:
    need_floating(input, words="multinomial only supports floating-point dtypes for input, got: {}")
    if input.ndim not in (1, 2):
        raise ShapeError("prob_dist must be 1 or 2 dim", argument="input", got=list(input.shape))
    if num_samples <= 0:
        raise ShapeError("cannot sample n_sample <= 0 samples", argument="num_samples", got=num_samples)
    if input.shape[-1] == 0:
        raise OpError("invalid multinomial distribution (sum of probabilities <= 0)", argument="input")
    if not replacement and num_samples > input.shape[-1]:
        raise ShapeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement", argument="num_samples"
        )
    return like(input, shape=(*input.shape[:-1], num_samples), dtype=dtypes.int64)


@op(_multinomial, on="torch tensor", differentiable=False)
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with the probabilities in each row of `input`."""


@op(_like_floating("check_uniform_bounds"), on="", inplace=True, differentiable=False)
def _uniform(input: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform numbers in [low, high), in the shape and dtype of `input`."""


@op(_like_floating("normal_kernel_cpu"), on="", inplace=True, differentiable=False)
def _normal(input: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal numbers, in the shape and dtype of `input`."""


@op(lambda input, *_: like(input), on="", inplace=True, differentiable=False)
def _random(
    input: Tensor, low: int | None = None, high: int | None = None, generator: Generator | None = None
) -> Tensor:
    """Integers of the dtype's range, or in [low, high), in the shape and dtype of `input`."""


def _exponential_like(input: Meta, *_: object) -> Meta:
    words = "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you"
    need_floating(input, words=f"{words} specified {{}}")
    return like(input)


@op(_exponential_like, on="", inplace=True, differentiable=False)
def _exponential(input: Tensor, lambd: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Exponentially distributed numbers, in the shape and dtype of `input`."""


@op(lambda input, *_: like(input), on="", inplace=True, differentiable=False)
def _bernoulli(input: Tensor, p: Tensor | Number = 0.5, generator: Generator | None = None) -> Tensor:
    """Ones with probability `p`, zeros otherwise, in the shape and dtype of `input`."""


def _dropout(input: Meta, p: float, training: bool, _generator: object) -> Meta:
    if not 0.0 <= p <= 1.0:
        raise OpValueError(f"dropout probability has to be between 0 and 1, but got {p}", argument="p", got=p)
    if training:
        need_floating(input, words="result type Float can't be cast to the desired output type {}")
    return like(input)


@op(_dropout, on="functional", inplace=True)
def dropout(input: Tensor, p: Checked = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Zeroes elements with probability `p` and scales the others by 1 / (1 - p), in training only."""


@op(_dropout, on="functional", inplace=True)
def dropout1d(input: Tensor, p: Checked = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Zeroes whole channels of (N, C, L)."""


@op(_dropout, on="functional", inplace=True)
def dropout2d(input: Tensor, p: Checked = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Zeroes whole channels of (N, C, H, W)."""


@op(_dropout, on="functional", inplace=True)
def dropout3d(input: Tensor, p: Checked = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Zeroes whole channels of (N, C, D, H, W)."""
