"""The equations of `einsum`: which dimension of which operand carries which label."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from telegrad_protocol.errors import ShapeError
from telegrad_protocol.shapes import Shape

# A label is a letter, or for the n-th dimension from the right under an ellipsis, str(n).
Labels = tuple[str, ...]


class Equation(NamedTuple):
    """The labels of each operand and of the result, and the size that belongs to each label."""

    inputs: tuple[Labels, ...]
    output: Labels
    sizes: dict[str, int]


@lru_cache(maxsize=1024)
def parse(equation: str, shapes: tuple[Shape, ...]) -> Equation:
    """Read an equation for operands of these shapes. Raises ShapeError in PyTorch's words.

    >>> parse("ij,jk", ((2, 3), (3, 4))).output
    ('i', 'k')
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        amount = "fewer" if len(shapes) < len(terms) else "more"
        raise ShapeError(f"einsum(): {amount} operands were provided than specified in the equation")
    inputs = tuple([_labels(term, shape, i) for i, (term, shape) in enumerate(zip(terms, shapes, strict=True))])
    sizes = _sizes(inputs, shapes)
    output = _output(right, inputs) if arrow else _implicit(inputs)
    return Equation(inputs, output, sizes)


def equation_shape(equation: str, shapes: tuple[Shape, ...]) -> Shape:
    """The shape of the result of an equation on operands of these shapes."""
    if not shapes:
        raise ShapeError("einsum(): must provide at least one operand")
    found = parse(equation, shapes)
    return tuple([found.sizes[label] for label in found.output])


def _labels(term: str, shape: Shape, operand: int) -> Labels:
    before, dots, after = term.partition("...")
    for at, letter in enumerate(before + after):
        if not (letter.isascii() and letter.isalpha()):
            raise ShapeError(
                f"einsum(): invalid subscript given at index {at} in the equation string, subscripts must be in "
                "[a-zA-Z]",
                argument="equation",
            )
    hidden = len(shape) - len(before) - len(after)
    if hidden < 0 or (hidden > 0 and not dots):
        count = len(before) + len(after)
        raise ShapeError(
            f"einsum(): the number of subscripts in the equation ({count}) does not match the number of dimensions "
            f"({len(shape)}) for operand {operand} and no ellipsis was given",
            argument="equation",
        )
    return (*before, *(str(n) for n in range(hidden - 1, -1, -1)), *after)


def _sizes(inputs: tuple[Labels, ...], shapes: tuple[Shape, ...]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for operand, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        own: dict[str, int] = {}
        for label, size in zip(labels, shape, strict=True):
            if own.setdefault(label, size) != size:
                raise ShapeError(
                    f"einsum(): subscript {label} is repeated for operand {operand} but the sizes don't match, "
                    f"{size} != {own[label]}"
                )
            seen = sizes.get(label, 1)
            if seen != 1 and size not in (1, seen):
                raise ShapeError(
                    f"einsum(): subscript {label} has size {size} for operand {operand} which does not broadcast "
                    f"with previously seen size {seen}"
                )
            sizes[label] = size if seen == 1 else seen
    return sizes


def _hidden(inputs: tuple[Labels, ...]) -> Labels:
    widest = max((sum(label.isdigit() for label in labels) for labels in inputs), default=0)
    return tuple([str(n) for n in range(widest - 1, -1, -1)])


def _implicit(inputs: tuple[Labels, ...]) -> Labels:
    everywhere = [label for labels in inputs for label in labels]
    return (*_hidden(inputs), *sorted(x for x in set(everywhere) if everywhere.count(x) == 1 and x.isalpha()))


def _output(term: str, inputs: tuple[Labels, ...]) -> Labels:
    before, dots, after = term.partition("...")
    known = {label for labels in inputs for label in labels}
    for label in before + after:
        if (before + after).count(label) > 1:
            raise ShapeError(f"einsum(): output subscript {label} appears more than once in the output")
        if label not in known:
            raise ShapeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand"
            )
    return (*before, *(_hidden(inputs) if dots else ()), *after)
