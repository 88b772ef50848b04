"""Padding at the edges."""

from __future__ import annotations

from .registry import decomposition, direct_kernel
from .slicing import WHOLE

direct_kernel("_pad_constant", "pad", input=lambda f, g, pad: f._pad_constant(g, tuple([-n for n in pad]), 0))


@decomposition
def pad(f, input, pad, mode, value):
    if mode == "constant":
        return f._pad_constant(input, pad, 0 if value is None else value)
    for pair in range(len(pad) // 2):
        input = _bordered(f, input, input.ndim - 1 - pair, pad[2 * pair], pad[2 * pair + 1], mode)
    return input if any(pad) else f.clone(input)


def _bordered(f, x, axis, before, after, mode):
    """One dimension with a border on both sides; negative widths cut off."""
    size = x.shape[axis]

    def part(start, stop):
        return f._slice(x, (*(WHOLE,) * axis, (start, stop, 1)))

    def edge(start, width):
        return f.expand(part(start, start + 1), (*x.shape[:axis], width, *x.shape[axis + 1 :]))

    head, tail = max(before, 0), max(after, 0)
    if mode == "circular":
        left, right = part(size - head, size), part(0, tail)
    elif mode == "reflect":
        left, right = f.flip(part(1, 1 + head), (axis,)), f.flip(part(size - 1 - tail, size - 1), (axis,))
    else:
        left, right = edge(0, head), edge(size - 1, tail)
    middle = part(head - before, size - (tail - after))
    kept = [piece for piece, width in ((left, head), (middle, 1), (right, tail)) if width]
    return f.cat(tuple(kept), axis) if len(kept) > 1 else f.clone(middle)
