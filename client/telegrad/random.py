"""Random numbers: PyTorch's generators and draws, on the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, overload

from telegrad._draws.position import seeded
from telegrad._stream.changes import Change
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import contiguous
from telegrad_protocol.spec import OPS

from ._api import host_draws
from ._api.creation import finish, need_tensor, sizes
from ._api.functions import FUNCTIONS
from ._api.signatures import DeviceLike, Draw, Sizes
from ._runtime.defaults import check_device, defaults, device_name
from ._runtime.devices import device
from ._runtime.process import stream
from ._tensor import Tensor
from ._tracing import draws
from ._tracing.proxy import TensorBase
from ._tracing.record import inplace
from ._tracing.rows import control

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]

_STATE_BYTES, _CUDA_STATE_BYTES = 5056, 16
_DEFAULT_SEED = 67280421310721


class Generator:
    """A random number generator on the server.

    >>> import telegrad as tg
    >>> a = tg.rand(2, generator=tg.Generator().manual_seed(1))
    >>> bool((a == tg.rand(2, generator=tg.Generator().manual_seed(1))).all())
    True
    """

    def __init__(self, device: DeviceLike = "cpu") -> None:
        self._seed = _DEFAULT_SEED
        self._device = str(check_device(device))
        if self._device == "cpu":
            self.replica = draws.Replica()
            self.replica.position = seeded(_DEFAULT_SEED)
        self._id = stream.next_id()
        if not stream.host_only:
            control("new_generator", _DEFAULT_SEED, outs=self._id, device=self._device)

    _id: int | None = None
    _free_now = False
    replica: draws.Replica | None = None

    __del__ = stream.queue.finalizer()

    @property
    def device(self) -> device:
        return device(self._device)

    def manual_seed(self, seed: int) -> Generator:
        """Set the seed."""
        before, self._seed = self._seed, checked_seed(seed)
        _seed_row(self._seed, self, "cpu", lambda seed: setattr(self, "_seed", seed), before)
        return self

    def initial_seed(self) -> int:
        """The seed that was set last."""
        return self._seed & 0xFFFF_FFFF_FFFF_FFFF

    def seed(self) -> int:
        """Seed from the operating system; returns the seed."""
        self.manual_seed(fresh_seed())
        return self._seed

    def get_state(self) -> Tensor:
        """The state, a uint8 tensor on the generator's device; on the CPU in PyTorch's layout."""
        return _state_of(self)

    def set_state(self, state: Tensor) -> None:
        """Set the state."""
        _set_state(state.to(self._device), self)


class _DefaultGenerator(Generator):
    """The CPU's default generator, which has no id on the wire."""

    def __init__(self) -> None:
        self._id, self._device, self.replica = None, "cpu", draws.default

    def manual_seed(self, seed: int) -> Generator:
        """Set the seed."""
        before, stream.seed = stream.seed, checked_seed(seed)
        _seed_row(stream.seed, None, "cpu", _set_stream_seed, before)
        return self

    def initial_seed(self) -> int:
        """The seed that was set last."""
        return initial_seed()

    def seed(self) -> int:
        """Seed from the operating system; returns the seed."""
        self.manual_seed(fresh_seed())
        return stream.seed


default_generator = _DefaultGenerator()


def checked_seed(seed: int) -> int:
    """A seed in the form that the wire takes. Raises RuntimeError outside [-2^63, 2^64)."""
    seed = int(seed)
    if not -(1 << 63) <= seed < 1 << 64:
        raise RuntimeError(f"Overflow when unpacking long: the seed {seed} is outside [-2^63, 2^64)")
    return seed


def fresh_seed() -> int:
    """A seed from the operating system."""
    return secrets.randbits(63)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator of every device; on the CPU the draws are PyTorch's for that seed."""
    before, stream.seed = stream.seed, checked_seed(seed)
    for name in ("cpu",) if stream.host_only else stream.devices():
        _seed_row(stream.seed, None, name, _set_stream_seed, before)
    return default_generator


def _set_stream_seed(seed: int) -> None:
    stream.seed = seed


def _seed_row(seed: int, generator: Generator | None, device: str, keep: Callable[[int], None], before: int) -> None:
    """Record that a generator is seeded; what is kept of the seed here goes back if an earlier row fails."""
    if stream.host_only:
        _replica_of(generator).position = seeded(seed)
        return
    change = Change(lambda: keep(seed), lambda: keep(before))
    control("manual_seed", seed, generator, change=change, device=device)


def _set_state(state: Tensor, generator: Generator | None) -> None:
    if not stream.host_only:
        control("set_generator_state", state, generator)
    elif (position := draws.position_of(state)) is None:
        raise RuntimeError("Invalid mt19937 state")
    else:
        _replica_of(generator).position = position


def _replica_of(generator: Generator | None) -> draws.Replica:
    found = draws.default if generator is None else generator.replica
    assert found is not None
    return found


def seed() -> int:
    """Seed the default generators from the operating system; returns the seed."""
    manual_seed(fresh_seed())
    return stream.seed


def initial_seed() -> int:
    """The seed of the default generator; without `manual_seed`, one from the operating system."""
    return stream.seed & 0xFFFF_FFFF_FFFF_FFFF


def get_rng_state() -> Tensor:
    """The state of the default generator, as PyTorch's uint8 tensor."""
    return _state_of(None)


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator."""
    _set_state(new_state.to("cpu"), None)


@contextmanager
def fork_rng(devices: Any = (), enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """A block whose draws leave no trace: the CPU's generator, and those of the GPUs named, are after it as before it.

    >>> import telegrad as tg
    >>> with tg.random.fork_rng():
    ...     inside = tg.rand(2)
    >>> bool((tg.rand(2) == inside).all())
    True
    """
    if not enabled:
        yield
        return
    gpus = [str(check_device(each if isinstance(each, str | device) else device("cuda", each))) for each in devices]
    state, of_gpus = get_rng_state(), [_read_state(None, name) for name in gpus]
    try:
        yield
    finally:
        set_rng_state(state)
        for other in of_gpus:
            control("set_generator_state", other, None)


def draw_seed(generator: Generator | None = None) -> int:
    """A seed drawn from a CPU generator, as PyTorch's loaders draw it."""

    def drawn() -> Any:
        return FUNCTIONS["empty"]((), dtype=dtypes.int64).random_(generator=generator)

    replica = draws.default if generator is None else generator.replica
    known = None if replica is None else host_draws.seed_of(replica, drawn)
    return int(drawn().item()) if known is None else known


def _state_of(generator: Generator | None) -> Tensor:
    device = "cpu" if generator is None else generator._device
    if device == "cpu" and (known := host_draws.state_of(generator, _replica_of(generator))) is not None:
        return known  # type: ignore[no-any-return]
    return _read_state(generator, device)


def _read_state(generator: Generator | None, device: str) -> Tensor:
    size = _STATE_BYTES if device == "cpu" else _CUDA_STATE_BYTES
    made: Any = TensorBase.make(stream.next_id(), contiguous((size,), dtypes.uint8, device))
    control("get_generator_state", generator, outs=made._id, device=device)
    return made  # type: ignore[no-any-return]


def _draw(name: str, doc: str) -> Draw:
    function = FUNCTIONS[name]

    def draw(
        *size: Any,
        generator: Generator | None = None,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        **given: Any,
    ) -> Any:
        wanted = given.pop("size") if "size" in given and not size else sizes(size)
        if given:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(given))}'")
        made = function(wanted, dtype=dtype or defaults.dtype, generator=generator, device=device_name(device))
        return finish(made, requires_grad)

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = doc
    return draw


rand = _draw("rand", "Uniform numbers in [0, 1).")
randn = _draw("randn", "Normal numbers with mean 0 and variance 1.")


@overload
def randint(
    high: int,
    size: Sizes,
    /,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def randint(
    low: int,
    high: int,
    size: Sizes,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor: ...
def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high); `randint(high, size)` starts at 0."""
    if size is None:
        low, high, size = 0, low, high
    where = device_name(device)
    made = FUNCTIONS["randint"](low, high, size, dtype=dtype or dtypes.int64, generator=generator, device=where)
    return finish(made, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    made = FUNCTIONS["randperm"](n, dtype=dtype or dtypes.int64, generator=generator, device=device_name(device))
    return finish(made, requires_grad)


def rand_like(
    input: Tensor, *, dtype: DType | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """As `rand`, with the shape and dtype of `input`."""
    need_tensor("rand_like", input)
    where = device_name(device, input._meta.device)
    return rand(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, dtype: DType | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """As `randn`, with the shape and dtype of `input`."""
    need_tensor("randn_like", input)
    where = device_name(device, input._meta.device)
    return randn(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: DType | None = None, device: DeviceLike = None
) -> Tensor:
    """As `randint`, with the shape and dtype of `input`."""
    need_tensor("randint_like", input)
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device_name(device, input._meta.device))


# In-place draws -------------------------------------------------------------------------------------------------


def _uniform_(
    self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None, **bounds: float
) -> Tensor:
    """Fill with uniform numbers in [from, to)."""
    low, high = bounds.pop("from", a), bounds.pop("to", b)
    return inplace(OPS["_uniform"], (self, low, high, generator))  # type: ignore[no-any-return]


def _normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers."""
    return inplace(OPS["_normal"], (self, mean, std, generator))  # type: ignore[no-any-return]


def _random_(self: Tensor, a: int | None = None, b: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Fill with integers: of the dtype's range, in [0, a), or in [a, b)."""
    low, high = (0, a) if b is None and a is not None else (a, b)
    return inplace(OPS["_random"], (self, low, high, generator))  # type: ignore[no-any-return]


def _exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponentially distributed numbers."""
    return inplace(OPS["_exponential"], (self, lambd, generator))  # type: ignore[no-any-return]


def _bernoulli_(self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones with probability `p`, zeros otherwise."""
    return inplace(OPS["_bernoulli"], (self, p, generator))  # type: ignore[no-any-return]


METHODS: dict[str, Callable[..., Any]] = {
    "uniform_": _uniform_,
    "normal_": _normal_,
    "random_": _random_,
    "exponential_": _exponential_,
    "bernoulli_": _bernoulli_,
}
