"""Rows that act on the session: making tensors from bytes, reading them, gradients, frees, generators."""

from __future__ import annotations

from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_protocol.spec import Device, Generator, Ids, Size, Tensor, control


def _as_declared(_data: object, dtype: DType, shape: tuple[int, ...]) -> Meta:
    return contiguous(shape, dtype)


@control(_as_declared)
def constant(data: bytes, dtype: DType, shape: Size) -> Tensor:
    """Makes a tensor from its bytes: little-endian, row-major."""


@control(_as_declared)
def upload(upload: int, dtype: DType, shape: Size) -> Tensor:
    """Makes a tensor from an upload, and waits for it; a failed upload makes a failed tensor."""


@control()
def free(tensors: Ids) -> None:
    """Forgets tensors by their ids. Ids of no tensor are ignored."""


@control(returns=("out",))
def read(input: Tensor) -> None:
    """Reads a value; the id names the read, for values that are fetched on a connection of their own."""


@control(returns=("out",))
def send(input: Tensor, device: Device) -> None:
    """Sends a copy of a value to another device of the server, where an `upload` row of the same id takes it in."""


@control(returns=("out",))
def memory_stats() -> None:
    """Waits for the device and reads numbers of bytes: the session's in use, its peak, reserved; free, in all."""


@control(returns=("out",))
def device_name() -> None:
    """Reads the name of the device, in UTF-8."""


@control()
def reset_peak_memory() -> None:
    """Resets the session's peak of memory."""


@control()
def empty_cache() -> None:
    """Gives memory that no tensor uses back to the device."""


@control(returns=("out",))
def describe(input: Tensor) -> None:
    """Reads shape and dtype that depend on values; the data is one byte: whether the tensor requires grad."""


@control(returns=("out",))
def has_grad(tensors: list[Tensor]) -> None:
    """Reads which tensors have a gradient: the data is one byte for each."""


@control(returns=("out",))
def exists(tensors: Size) -> None:
    """Reads which ids name a tensor: the data is one byte for each."""


@control()
def backward(
    tensors: list[Tensor],
    gradients: list[Tensor | None],
    inputs: list[Tensor],
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Adds the gradients of `tensors` to the `.grad` of the leaves they depend on, or of `inputs` if there are any."""


@control(public=True)
def gradients(
    outputs: list[Tensor],
    inputs: list[Tensor],
    grad_outputs: list[Tensor | None],
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Tensor]:
    """The gradients of `outputs` with respect to `inputs`, without touching any `.grad`.

    With `allow_unused`, the id of an input that the outputs do not depend on names nothing.
    """


@control(returns=("out",))
def begin_walk(
    tensors: list[Tensor],
    gradients: list[Tensor | None],
    inputs: list[Tensor],
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Begins a backward pass in steps, as `backward`; the id names the pass."""


@control(returns=("out",))
def begin_collecting_walk(
    outputs: list[Tensor],
    inputs: list[Tensor],
    grad_outputs: list[Tensor | None],
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> None:
    """Begins a backward pass in steps, as `gradients`; the id names the pass, `end_walk` names the results."""


@control(lambda input: input)
def watch(input: Tensor) -> Tensor:
    """Names `input` as it is in the graph now, before later in-place ops."""


@control(lambda walk, input: input)
def walk_to(walk: int, input: Tensor) -> Tensor:
    """Continues a backward pass until the gradient of `input` is complete, and names a copy of it."""


@control()
def replace_gradient(walk: int, input: Tensor, gradient: Tensor) -> None:
    """Replaces the gradient at which a backward pass has stopped."""


@control(returns=("out",))
def next_stop(walk: int, inputs: list[Tensor]) -> None:
    """Continues a backward pass to the first of `inputs` with a gradient; reads its index among them, or -1."""


@control()
def end_walk(walk: int) -> list[Tensor]:
    """Ends a backward pass, and keeps its gradients."""


@control()
def drop_walk(walk: int) -> None:
    """Abandons a backward pass."""


@control(lambda input: input, public=True)
def get_grad(input: Tensor) -> Tensor:
    """Names the tensor that is `input.grad`; an error if there is none."""


@control(public=True)
def set_grad(input: Tensor, grad: Tensor | None) -> None:
    """Makes `grad` the gradient of `input`, or clears it."""


@control(public=True)
def set_requires_grad(input: Tensor, requires_grad: bool) -> None:
    """Sets whether a leaf requires a gradient."""


@control(public=True)
def retain_grad(input: Tensor) -> None:
    """Makes a tensor that is not a leaf keep its gradient."""


@control()
def set_data(input: Tensor, data: Tensor) -> None:
    """Lets `input` share the memory of `data` from now on, outside the graph."""


@control(public=True)
def manual_seed(seed: int, generator: Generator | None = None) -> None:
    """Seeds a generator."""


@control(returns=("out",), public=True)
def new_generator(seed: int) -> None:
    """Makes a generator; ops take it by its id."""


@control(returns=("out",), public=True)
def get_generator_state(generator: Generator | None = None) -> None:
    """The state of a generator as a uint8 tensor, in PyTorch's layout."""


@control(public=True)
def set_generator_state(state: Tensor, generator: Generator | None = None) -> None:
    """Restores a generator from a state."""
