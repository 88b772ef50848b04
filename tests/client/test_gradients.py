"""`backward`, `grad` and the gradients they leave: what calculus says, from telegrad and from PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values), requires_grad=True)


# grad -------------------------------------------------------------------------------------------------------------


def test_grad_gives_a_gradient_for_each_input_and_leaves_theirs_alone(lib: Any) -> None:
    x, y = leaf(lib, 2.0, 3.0), leaf(lib, 5.0, 7.0)
    found = lib.autograd.grad((x * x * y).sum(), [y, x])
    assert isinstance(found, tuple)
    assert [g.tolist() for g in found] == [[4.0, 9.0], [20.0, 42.0]]
    assert not any(g.requires_grad for g in found)
    assert x.grad is None
    assert y.grad is None


def test_grad_of_one_input_is_a_tuple_too(lib: Any) -> None:
    x = leaf(lib, 2.0)
    (found,) = lib.autograd.grad(x**3, x)
    assert found.tolist() == [12.0]


def test_grad_with_respect_to_a_result(lib: Any) -> None:
    x = leaf(lib, 2.0)
    y = x * 3
    (found,) = lib.autograd.grad((y * y).sum(), y)
    assert found.tolist() == [12.0]


def test_grad_outputs_weigh_several_outputs(lib: Any) -> None:
    x = leaf(lib, 2.0, 3.0)
    y, z = x * x, x * 10
    (found,) = lib.autograd.grad([y, z], x, grad_outputs=[lib.tensor([1.0, 2.0]), lib.tensor([1.0, 0.5])])
    assert found.tolist() == [14.0, 17.0]
    (found,) = lib.autograd.grad([(x * x).sum(), x * 10], x, grad_outputs=[None, lib.ones(2)])
    assert found.tolist() == [14.0, 16.0]


def test_outputs_without_a_gradient_of_theirs_must_be_scalars(lib: Any) -> None:
    x = leaf(lib, 2.0, 3.0)
    for call in (lambda: lib.autograd.grad(x * 2, x), lambda: (x * 2).backward()):
        with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
            call()
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of torch\.Size\(\[3\]\)"):
        lib.autograd.grad(x * 2, x, grad_outputs=lib.ones(3))


def test_what_does_not_require_grad_or_was_not_used(lib: Any) -> None:
    x, other, constant = leaf(lib, 2.0), leaf(lib, 1.0), lib.ones(1)
    with pytest.raises(RuntimeError, match="One of the differentiated Tensors"):
        _values(lib.autograd.grad((x * 2).sum(), constant))
    with pytest.raises(RuntimeError, match="does not require grad"):
        _values(lib.autograd.grad(constant.sum(), x))
    with pytest.raises(RuntimeError, match="The differentiated Tensor at index 1 appears to not have been used"):
        _values(lib.autograd.grad((x * 2).sum(), [x, other]))
    first, second = lib.autograd.grad((x * 2).sum(), [x, other], allow_unused=True)
    assert first.tolist() == [2.0]
    assert second is None


def _values(gradients: Any) -> list[Any]:
    """Read: what the server refuses is told here at the latest."""
    return [gradient.tolist() for gradient in gradients]


# create_graph -----------------------------------------------------------------------------------------------------


def test_gradients_of_gradients(lib: Any) -> None:
    x = leaf(lib, 2.0, -1.0)
    y = (x**4).sum()
    values = []
    for _ in range(4):
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        values.append(g.tolist())
        y = g.sum()
    assert values == [[32.0, -4.0], [48.0, 12.0], [48.0, -24.0], [24.0, 24.0]]


def test_a_gradient_penalty(lib: Any) -> None:
    w, x = leaf(lib, 3.0), leaf(lib, 2.0)
    (g,) = lib.autograd.grad((w * x * x).sum(), x, create_graph=True)
    assert g.tolist() == [12.0]
    assert g.requires_grad
    ((g - 1) ** 2).sum().backward()  # d/dw (2 w x - 1)^2 = 4 x (2 w x - 1)
    assert w.grad.tolist() == [88.0]
    assert x.grad.tolist() == [132.0]


def test_a_hessian_vector_product(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    y = x[0] ** 2 * x[1] + x[1] ** 3
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    (product,) = lib.autograd.grad(g, x, grad_outputs=lib.tensor([1.0, 1.0]))
    assert product.tolist() == [6.0, 14.0]


def test_create_graph_keeps_the_graph(lib: Any) -> None:
    x = leaf(lib, 3.0)
    y = (x * x).sum()
    lib.autograd.grad(y, x, create_graph=True)
    assert lib.autograd.grad(y, x)[0].tolist() == [6.0]


def test_a_gradient_without_create_graph_is_a_constant(lib: Any) -> None:
    x = leaf(lib, 3.0)
    (g,) = lib.autograd.grad((x * x).sum(), x)
    assert not g.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        lib.autograd.grad(g.sum(), x)


def test_backward_with_create_graph_leaves_gradients_with_a_graph(lib: Any) -> None:
    x = leaf(lib, 3.0)
    with warnings.catch_warnings(action="ignore"):  # PyTorch warns of the reference cycle
        (x**3).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.sum().backward()
    assert x.grad.tolist() == [18.0]


# backward ---------------------------------------------------------------------------------------------------------


def test_gradients_add_up_until_they_are_cleared(lib: Any) -> None:
    x = leaf(lib, 2.0)
    (x * x).sum().backward()
    held = x.grad
    (x * 3).sum().backward()
    assert x.grad is held
    assert held.tolist() == [7.0]
    x.grad = None
    (x * 3).sum().backward()
    assert (x.grad.tolist(), held.tolist()) == ([3.0], [7.0])


def test_backward_from_several_roots(lib: Any) -> None:
    x = leaf(lib, 2.0, 3.0)
    lib.autograd.backward([(x * x).sum(), x * 10], [None, lib.tensor([1.0, 2.0])])
    assert x.grad.tolist() == [14.0, 26.0]


def test_a_graph_serves_once_unless_it_is_retained(lib: Any) -> None:
    x = leaf(lib, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
        x.grad.tolist()


def test_inputs_limit_who_gets_a_gradient(lib: Any) -> None:
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [3.0]
    assert y.grad is None


def test_a_gradient_that_is_set(lib: Any) -> None:
    x = leaf(lib, 2.0, 3.0)
    x.grad = lib.tensor([1.0, 1.0])
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="assign a gradient of size"):
        x.grad = lib.ones(3)
    with pytest.raises(RuntimeError, match="assign a gradient with dtype"):
        x.grad = lib.ones(2, dtype=lib.float64)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None"):
        x.grad = 3.0


# Gradients of results ---------------------------------------------------------------------------------------------


def test_a_result_keeps_its_gradient_if_told(lib: Any) -> None:
    x = leaf(lib, 2.0)
    y = x * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([12.0], [36.0])


def test_a_leaf_keeps_its_gradient_anyway(lib: Any) -> None:
    x = leaf(lib, 2.0)
    x.retain_grad()
    assert not x.retains_grad
    with pytest.raises(RuntimeError, match=r"can't retain_grad on Tensor that has requires_grad=False"):
        lib.ones(1).retain_grad()


def test_retained_gradients_add_up(lib: Any) -> None:
    x = leaf(lib, 2.0)
    y = x * 3
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [3.0]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_result_that_was_not_told_keeps_none(lib: Any) -> None:
    y = leaf(lib, 2.0) * 3
    y.sum().backward()
    assert y.grad is None


# Leaves and results -----------------------------------------------------------------------------------------------


def test_who_is_a_leaf(lib: Any) -> None:
    x, constant = leaf(lib, 2.0), lib.ones(1)
    y = x * constant
    assert [t.is_leaf for t in (x, constant, y, y.detach(), x.data)] == [True, True, False, True, True]
    assert [t.requires_grad for t in (x, constant, y, y.detach(), x.data)] == [True, False, True, False, False]
    assert x.grad_fn is None
    assert y.grad_fn is not None
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="nly Tensors of floating point"):
        lib.ones(1, dtype=lib.int64).requires_grad_()


def test_integers_and_comparisons_stand_outside(lib: Any) -> None:
    x = leaf(lib, 2.0, 1.0)
    assert not (x > 1).requires_grad
    assert not x.argmax().requires_grad
    values, order = x.sort()
    assert (values.requires_grad, order.requires_grad) == (True, False)
    (values * lib.tensor([10.0, 1.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 10.0]
