"""What a rule refuses for a number's value it refuses at every call, also after one with a number that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from telegrad_protocol import dtypes
from telegrad_protocol.shapes import HasMeta, contiguous
from telegrad_protocol.spec import OPS


class Shaped(HasMeta):
    """A tensor without elements to show."""

    def __init__(self, *shape: int, dtype: dtypes.DType = dtypes.float32) -> None:
        self._meta = contiguous(shape, dtype, "cpu")


X, EMPTY = Shaped(2, 4), Shaped(2, 0)
CLASSES = Shaped(2, dtype=dtypes.int64)
HEADS, IMAGE = Shaped(1, 2, 4), Shaped(1, 2, 4, 4)


def call(op: str, *args: Any, **named: Any) -> Any:
    return OPS[op].infer(OPS[op].bind(*args, **named))


@pytest.mark.parametrize(
    ("op", "args", "name", "good", "bad"),
    [
        *[(f"dropout{kind}", (IMAGE,), "p", 0.5, 1.5) for kind in ("", "1d", "2d", "3d")],
        ("scaled_dot_product_attention", (HEADS, HEADS, HEADS), "dropout_p", 0.0, 2.0),
        ("celu", (X,), "alpha", 1.0, 0.0),
        ("smooth_l1_loss", (X, X), "beta", 1.0, -1.0),
        ("huber_loss", (X, X), "delta", 1.0, 0.0),
        ("triplet_margin_loss", (X, X, X), "margin", 1.0, 0.0),
        ("cross_entropy", (X, CLASSES), "label_smoothing", 0.1, 1.5),
        ("vector_norm", (EMPTY,), "ord", 2.0, -1.0),
        ("histc", (X,), "max", 1.0, -1.0),
        ("pad", (X, (1, 1), "reflect"), "value", 0.0, 1.0),
    ],
)
def test_a_refused_number_is_refused_after_one_that_is_not(
    op: str, args: tuple[Any, ...], name: str, good: float, bad: float
) -> None:
    call(op, *args, **{name: good})
    with pytest.raises((RuntimeError, ValueError)):
        call(op, *args, **{name: bad})
    call(op, *args, **{name: good})
