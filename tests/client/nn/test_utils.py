"""`nn.utils`: gradients that are clipped, parameters as one vector."""

from __future__ import annotations

import math
from typing import Any

import pytest


def with_gradients(lib: Any) -> list[Any]:
    """Leaves whose gradients are [3, -4] and [12], and one without: a norm of 13."""
    a, b, c = (lib.zeros(size, requires_grad=True) for size in (2, 1, 1))
    a.grad, b.grad = lib.tensor([3.0, -4.0]), lib.tensor([12.0])
    return [a, b, c]


def gradients(leaves: list[Any]) -> list[Any]:
    return [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]


@pytest.mark.parametrize(("order", "norm"), [(2.0, 13.0), (1.0, 19.0), (math.inf, 12.0), ("inf", 12.0)])
def test_norms_are_clipped(lib: Any, order: Any, norm: float) -> None:
    leaves = with_gradients(lib)
    kept = [leaf.grad for leaf in leaves]
    found = lib.nn.utils.clip_grad_norm_(leaves, norm / 2, norm_type=order)
    assert found.item() == pytest.approx(norm)
    assert found.requires_grad is False
    first, second, third = gradients(leaves)
    assert [*first, *second] == pytest.approx([1.5, -2.0, 6.0])
    assert third is None
    assert all(leaf.grad is grad for leaf, grad in zip(leaves, kept, strict=True))


def test_small_norms_are_left(lib: Any) -> None:
    leaves = with_gradients(lib)
    assert lib.nn.utils.clip_grad_norm_(leaves, 20.0).item() == pytest.approx(13.0)
    assert gradients(leaves) == [[3.0, -4.0], [12.0], None]


def test_parameters_come_as_one_or_from_a_generator(lib: Any) -> None:
    leaves = with_gradients(lib)
    assert lib.nn.utils.clip_grad_norm_(leaves[0], 1.0).item() == pytest.approx(5.0)
    assert leaves[0].grad.tolist() == pytest.approx([0.6, -0.8])
    assert lib.nn.utils.clip_grad_norm_((leaf for leaf in leaves[1:]), 6.0).item() == pytest.approx(12.0)
    assert leaves[1].grad.tolist() == pytest.approx([6.0])
    lib.nn.utils.clip_grad_value_(leaves[1], 2.0)
    assert leaves[1].grad.tolist() == [2.0]


def test_where_no_gradient_is_the_norm_is_zero(lib: Any) -> None:
    leaves = with_gradients(lib)[2:]
    assert lib.nn.utils.clip_grad_norm_(leaves, 1.0).item() == 0.0
    assert gradients(leaves) == [None]


def test_a_norm_that_is_not_finite(lib: Any) -> None:
    leaves = with_gradients(lib)
    leaves[1].grad.fill_(math.inf)
    with pytest.raises(
        RuntimeError, match=r"The total norm of order 2\.0 for gradients from `parameters` is non-finite"
    ):
        lib.nn.utils.clip_grad_norm_(leaves, 1.0, error_if_nonfinite=True)
    assert leaves[0].grad.tolist() == [3.0, -4.0]
    assert lib.nn.utils.clip_grad_norm_(leaves, 1.0).item() == math.inf
    assert leaves[0].grad.tolist() == [0.0, 0.0]
    assert math.isnan(leaves[1].grad.item())


def test_values_are_clipped(lib: Any) -> None:
    leaves = with_gradients(lib)
    kept = leaves[0].grad
    assert lib.nn.utils.clip_grad_value_(leaves, 3.5) is None
    assert gradients(leaves) == [[3.0, -3.5], [3.5], None]
    assert leaves[0].grad is kept


def test_parameters_as_one_vector(lib: Any) -> None:
    layer, twin = lib.nn.Linear(3, 2), lib.nn.Linear(3, 2)
    vector = lib.nn.utils.parameters_to_vector(layer.parameters())
    assert vector.tolist() == [*layer.weight.flatten().tolist(), *layer.bias.tolist()]
    (vector * 2).sum().backward()
    assert layer.bias.grad.tolist() == [2.0, 2.0]
    lib.nn.utils.vector_to_parameters(vector.detach(), twin.parameters())
    assert lib.equal(twin.weight, layer.weight)
    assert lib.equal(twin.bias, layer.bias)
    assert twin.weight.is_leaf
    assert twin.weight.requires_grad
