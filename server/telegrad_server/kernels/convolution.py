"""Convolution, transposed convolution, and their patches."""

from __future__ import annotations

from telegrad_protocol.ops._windows import per_dim
from telegrad_protocol.ops.convolution import edges, patch_sizes, transposed_size

from .registry import decomposition, direct_kernel, kernel, vjp

direct_kernel(
    "_conv",
    input=lambda f, g, input_meta, weight, stride, padding, dilation, groups: f._conv_input_grad(
        g, weight, input_meta.shape, stride, padding, dilation, groups
    ),
    weight=lambda f, g, input, weight_meta, stride, padding, dilation, groups: f._conv_weight_grad(
        g, input, weight_meta.shape, stride, padding, dilation, groups
    ),
    bias=lambda f, g: f.sum(g, (0, *range(2, g.ndim))),
)


direct_kernel(
    "_conv_input_grad",
    grad=lambda f, g, weight, stride, padding, dilation, groups: f._conv(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda f, g, grad, weight_meta, stride, padding, dilation, groups: f._conv_weight_grad(
        grad, g, weight_meta.shape, stride, padding, dilation, groups
    ),
)


direct_kernel(
    "_conv_weight_grad",
    grad=lambda f, g, input, stride, padding, dilation, groups: f._conv(
        input, g, None, stride, padding, dilation, groups
    ),
    input=lambda f, g, grad, input_meta, stride, padding, dilation, groups: f._conv_input_grad(
        grad, g, input_meta.shape, stride, padding, dilation, groups
    ),
)


def _convolution(name, dims):
    @decomposition(name=name)
    def convolution(f, input, weight, bias, stride, padding, dilation, groups):
        single = input.ndim == dims + 1
        x = f.reshape(input, (1, *input.shape)) if single else input
        steps, apart = per_dim(stride, dims, "stride"), per_dim(dilation, dims, "dilation")
        before, behind = edges(padding, tuple(weight.shape[2:]), steps, apart)
        odd = [b - a for a, b in zip(before, behind, strict=True)]
        if any(odd):
            x = f.pad(x, tuple([n for extra in reversed(odd) for n in (0, extra)]))
        out = f._conv(x, weight, bias, steps, before, apart, groups)
        return f.reshape(out, out.shape[1:]) if single else out


for _dims in (1, 2, 3):
    _convolution(f"conv{_dims}d", _dims)


def _transposed_convolution(name, dims):
    @decomposition(name=name)
    def convolution(f, input, weight, bias, stride, padding, output_padding, groups, dilation):
        single = input.ndim == dims + 1
        x = f.reshape(input, (1, *input.shape)) if single else input
        given = (stride, padding, output_padding, dilation)
        steps, margin, extra, apart = (per_dim(value, dims, "size") for value in given)
        odd = any(e >= s for e, s in zip(extra, steps, strict=True))
        cut, left = ((0,) * dims, (0,) * dims) if odd else (margin, extra)
        size = transposed_size(tuple(x.shape[2:]), tuple(weight.shape[2:]), steps, cut, left, apart)
        full = (x.shape[0], weight.shape[1] * groups, *size)
        out = f._conv_input_grad(x, weight, full, steps, cut, apart, groups)
        if odd:  # such a size fits more windows than the input has: compute it without margins, then pad and cut
            sides = zip(reversed(margin), reversed(extra), strict=True)
            out = f.pad(out, tuple([n for p, e in sides for n in (-p, e - p)]))
        if bias is not None:
            out = f.add(out, f.reshape(bias, (bias.shape[0], *(1,) * dims)))
        return f.reshape(out, out.shape[1:]) if single else out


for _dims in (1, 2, 3):
    _transposed_convolution(f"conv_transpose{_dims}d", _dims)


@kernel
def unfold(xp, input, kernel_size, dilation, padding, stride):
    sizes = patch_sizes(kernel_size, dilation, padding, stride)
    if input.ndim == 4:
        return xp.im2col(input, *sizes)
    return xp.im2col(input[None], *sizes)[0]


@kernel
def fold(xp, input, output_size, kernel_size, dilation, padding, stride):
    size, sizes = per_dim(output_size, 2, "output_size"), patch_sizes(kernel_size, dilation, padding, stride)
    if input.ndim == 3:
        return xp.col2im(input, size, *sizes)
    return xp.col2im(input[None], size, *sizes)[0]


vjp(
    unfold,
    input=lambda f, g, input_meta, kernel_size, dilation, padding, stride: f.fold(
        g, input_meta.shape[-2:], kernel_size, dilation, padding, stride
    ),
)
vjp(
    fold,
    input=lambda f, g, kernel_size, dilation, padding, stride: f.unfold(g, kernel_size, dilation, padding, stride),
)
