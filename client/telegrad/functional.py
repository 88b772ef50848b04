"""`torch.nn.functional`: the declared ops of that namespace, and overloads of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from telegrad_protocol.spec import OPS, OpSpec

from ._api import functions
from ._api.functions import FUNCTIONS
from ._api.signatures import Sizes
from ._tensor import Tensor
from ._tracing.binders import binder
from ._tracing.call_sites import warn
from ._tracing.record import inplace
from .autograd import no_grad

DECLARED = functions.on("functional")
globals().update(DECLARED)


def _with_inplace(name: str) -> Callable[..., Any]:
    """An activation that takes `inplace=True`."""
    function, spec = FUNCTIONS[name], OPS[name]

    before = len(spec.params) - (spec.generator_slot is not None)  # PyTorch has `inplace` after these

    def activation(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        if len(args) == before:
            *args, inplace = args  # type: ignore[assignment]
        if not inplace:
            return function(input, *args, **kwargs)
        return _inplace(spec, spec.bind(input, *args, **kwargs))

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = function.__doc__
    return activation


_inplace = inplace
_TAKE_INPLACE = (
    "relu relu6 leaky_relu elu selu celu silu mish hardtanh hardswish hardsigmoid threshold dropout dropout1d dropout2d "
    "dropout3d alpha_dropout feature_alpha_dropout"
).split()
globals().update({name: _with_inplace(name) for name in _TAKE_INPLACE if name in DECLARED and OPS[name].inplace})


def _implicit_dim(spec: OpSpec, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The dimension that PyTorch takes where none is given; warns."""
    input, dim, *more = args
    if dim is None and isinstance(input, Tensor):
        warn(
            f"Implicit dimension choice for {spec.name} has been deprecated. Change the call to include dim=X as an "
            "argument."
        )
        dim = 0 if input.ndim in (0, 1, 3) else 1
    return (input, dim, *more)


softmax, log_softmax, softmin = (
    binder(OPS[name], choose=_implicit_dim) for name in ("softmax", "log_softmax", "softmin")
)


def _check_statistics(input: Tensor, *running: Tensor | None) -> None:
    for name, found in zip(("running_mean", "running_var"), running, strict=True):
        if found is not None and input.ndim > 1 and found.numel() != input.shape[1]:
            raise RuntimeError(f"{name} should contain {input.shape[1]} elements not {found.numel()}")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes each channel over the batch; in training, the running statistics follow the batch's.

    Formula: (input - mean) / sqrt(var + eps) * weight + bias, with the biased variance; the running variance takes
    the unbiased one (Ioffe and Szegedy, 2015).
    """
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        return FUNCTIONS["_batch_norm_eval"](input, running_mean, running_var, weight, bias, eps)
    _check_statistics(input, running_mean, running_var)
    count = input.numel() // input.shape[1] if input.ndim > 1 and input.shape[1] else 0
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.size()}")
    out, mean, var = FUNCTIONS["_batch_norm_train"](input, weight, bias, eps)
    if running_mean is not None and running_var is not None:
        with no_grad():
            running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
            running_var.lerp_(var.detach().to(running_var.dtype) * (count / (count - 1)), momentum)
    return out


@overload
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Tensor]: ...
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window; with `return_indices`, also its index."""
    stride = kernel_size if stride is None or stride == [] else stride
    values, indices = FUNCTIONS["_max_pool2d_with_indices"](input, kernel_size, stride, padding, dilation, ceil_mode)
    return (values, indices) if return_indices else values


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that cover the last two dimensions evenly; with `return_indices`, also their indices."""
    values, indices = FUNCTIONS["_adaptive_max_pool2d_with_indices"](input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that cover the last dimension evenly; with `return_indices`, also their indices."""
    if not return_indices:
        return FUNCTIONS["adaptive_max_pool1d"](input, output_size)
    (width,) = (output_size,) if isinstance(output_size, int) else output_size
    found = FUNCTIONS["_adaptive_max_pool2d_with_indices"](FUNCTIONS["unsqueeze"](input, -2), (1, width))
    return tuple(FUNCTIONS["squeeze"](part, -2) for part in found)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A row of zeros with a one at the class; as many classes as the largest index needs if none are given."""
    if num_classes == -1:
        return FUNCTIONS["_one_hot_inferred"](tensor)
    return FUNCTIONS["_one_hot_classes"](tensor, num_classes)


def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: float | list[float] | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes to a size, or by a factor. Raises NotImplementedError for `antialias` and `recompute_scale_factor`."""
    if antialias or recompute_scale_factor:
        raise NotImplementedError("interpolate: antialias and recompute_scale_factor are not supported")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    dims = input.ndim - 2
    for name, given in (("output size of", size), ("scale_factor of shape", scale_factor)):
        if isinstance(given, list | tuple) and len(given) != dims:
            raise ValueError(
                f"Input and {'output' if given is size else 'scale_factor'} must have the same number of spatial "
                f"dimensions, but got input with spatial dimensions of {list(input.shape[2:])} and {name} {given}."
            )
    scales = None
    if size is None:
        assert scale_factor is not None
        scales = tuple(scale_factor) if isinstance(scale_factor, list | tuple) else (float(scale_factor),) * dims
        size = tuple(int(n * scale) for n, scale in zip(input.shape[2:], scales, strict=True))
    elif isinstance(size, int):
        size = (size,) * dims
    return FUNCTIONS["_interpolate"](input, tuple(size), scales, mode, bool(align_corners))


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return FUNCTIONS["tanh"](input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""
    return FUNCTIONS["sigmoid"](input)


_HELPERS = ("Literal", "binder", "inplace", "no_grad", "overload", "warn")
__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and callable(value) and not isinstance(value, type) and name not in _HELPERS
)
