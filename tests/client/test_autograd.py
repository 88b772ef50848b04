"""Who has a gradient, who may be written to, what a second backward gives: PyTorch's answers, here and at once."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad import nn
from telegrad._tracing.leaf_sets import reached

pytestmark = pytest.mark.usefixtures("here")


def leaf(*shape: int) -> tg.Tensor:
    return tg.ones(*shape, requires_grad=True)


# Gradients that meet ----------------------------------------------------------------------------------------------


def test_gradients_that_are_views_of_each_other_meet_without_harm() -> None:
    w, v = leaf(2, 2), leaf(2, 2)
    a = w * 5
    y = w.t() + v
    ((y * y).sum() + a.sum()).backward()
    assert v.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert w.grad.tolist() == [[9.0, 9.0], [9.0, 9.0]]


def test_expanded_gradients_meet_at_a_leaf() -> None:
    w = leaf(2, 2)
    (w.sum() + w.mean()).backward()
    assert w.grad.tolist() == [[1.25, 1.25], [1.25, 1.25]]


def test_the_callers_gradient_is_never_written() -> None:
    w, g = leaf(2, 2), tg.ones(2, 2)
    for _ in range(3):
        w.t().backward(g)
    assert g.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert w.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_a_retained_gradient_is_never_written() -> None:
    w = leaf(2)
    y = w * 2
    y.retain_grad()
    ((y * 3).sum() + w.sum()).backward()
    assert y.grad.tolist() == [3.0, 3.0]
    assert w.grad.tolist() == [7.0, 7.0]


def test_gradients_with_a_graph_are_copies() -> None:
    a, b = leaf(2), leaf(2)
    (a + b).sum().backward(create_graph=True)
    with tg.no_grad():
        a.grad.zero_()
    assert b.grad.tolist() == [1.0, 1.0]
    v = tg.ones(2, requires_grad=True)
    y = a * 1
    (g,) = tg.autograd.grad(y, y, v, create_graph=True)
    with tg.no_grad():
        g.zero_()
    assert v.tolist() == [1.0, 1.0]


def test_one_tensor_in_two_places_of_a_fused_op_counts_once_in_each() -> None:
    """Under create_graph the definition is recorded again, and every place has a gradient of its own."""
    x = tg.tensor([[[0.3, -0.2], [0.1, 0.7]]], dtype=tg.float64, requires_grad=True)
    attend = nn.functional.scaled_dot_product_attention
    (first,) = tg.autograd.grad(attend(x, x, x).sum(), x)
    (second,) = tg.autograd.grad(attend(x, x, x).sum(), x, create_graph=True)
    np.testing.assert_allclose(second.detach().numpy(), first.numpy(), rtol=1e-12)


# Who has a gradient -----------------------------------------------------------------------------------------------


def test_a_backward_that_reaches_some_leaves_leaves_the_others_without() -> None:
    a, b = leaf(3), leaf(2)
    rows, columns = tg.meshgrid(a, b, indexing="ij")
    assert rows.requires_grad
    assert columns.requires_grad
    rows.sum().backward()
    assert b.grad is None
    assert a.grad.tolist() == [2.0, 2.0, 2.0]


def test_backward_of_inputs_reaches_only_what_it_depends_on() -> None:
    a, b = leaf(2), leaf(2)
    (a * 2).sum().backward(inputs=[a, b])
    assert b.grad is None
    assert a.grad.tolist() == [2.0, 2.0]


def test_unused_inputs_have_none() -> None:
    a, b = leaf(2), leaf(2)
    y, z = a * 2, b * 2
    assert tg.autograd.grad(y.sum(), (a, b), allow_unused=True, retain_graph=True)[1] is None
    used, unused = tg.autograd.grad(y.sum(), (y, z), allow_unused=True, retain_graph=True)
    assert used.tolist() == [1.0, 1.0]
    assert unused is None
    filled = tg.autograd.grad(y.sum(), (a, b), materialize_grads=True)
    assert filled[1].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed"):
        tg.autograd.grad(y.sum(), (a, b), allow_unused=False, materialize_grads=True)


def test_gradients_of_linear_functions_do_not_require_grad() -> None:
    x = leaf(2)
    (linear,) = tg.autograd.grad((3 * x).sum(), x, create_graph=True)
    (cubic,) = tg.autograd.grad((x**3).sum(), x, create_graph=True)
    assert not linear.requires_grad
    assert linear.is_leaf
    assert linear.grad_fn is None
    assert cubic.requires_grad
    assert not cubic.is_leaf
    with pytest.raises(RuntimeError, match="does not require grad"):
        (linear * 2).sum().backward()
        tg.synchronize()


def test_a_gradient_kept_with_its_graph_says_whether_it_requires_grad() -> None:
    x = leaf(2)
    (x**2).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    w = leaf(2)
    (w * 3).sum().backward(create_graph=True)
    assert not w.grad.requires_grad


def test_what_only_a_gradients_graph_reaches_is_asked() -> None:
    """A gradient penalty: the bias has no part in the gradient, so it has no gradient of its own."""
    layer = nn.Linear(3, 1)
    x = tg.ones(2, 3, requires_grad=True)
    (g,) = tg.autograd.grad(layer(x).sum(), x, create_graph=True)
    ((g * g).sum() - 1).backward()
    assert layer.bias.grad is None
    assert layer.weight.grad is not None
    optimizer = tg.optim.Adam(layer.parameters())
    before = layer.bias.tolist()
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    optimizer.step()
    assert layer.bias.tolist() == before
    assert list(optimizer.state) == [layer.weight]


def test_a_result_that_retains_its_gradient_after_it_was_used_has_it() -> None:
    x = leaf(2)
    y = x * 2
    z, other = (y * 3).sum(), (x * 5).sum()
    y.retain_grad()
    other.backward()
    assert y.grad is None
    z.backward()
    assert y.grad.tolist() == [3.0, 3.0]


def test_what_is_retained_follows_an_inplace_op() -> None:
    x = leaf(2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * 5).sum().backward()
    assert y.grad.tolist() == [5.0, 5.0]
    assert x.grad.tolist() == [30.0, 30.0]


def test_a_leaf_that_stopped_to_require_grad_has_none() -> None:
    x = leaf(2)
    y = (x * 2).sum()
    x.requires_grad_(False)
    y.backward()
    tg.synchronize()
    assert x.grad is None


def test_sets_of_leaves_grow_with_the_number_of_leaves() -> None:
    """A sum over many leaves: twice as many take about twice the memory, not four times."""

    def taken(count: int) -> int:
        leaves = [tg.ones(1, requires_grad=True) for _ in range(count)]
        tracemalloc.start()
        total: Any = leaves[0] * 1
        for item in leaves[1:]:
            total = total + item
        joined = tg.cat(leaves)
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for made in (total, joined):
            certain, possible = reached([made._leaves])
            assert (len(certain), len(possible)) == (count, 0)
        tg.synchronize()
        return used

    taken(500)
    assert taken(4000) < 3 * taken(2000)


@pytest.mark.slow
def test_cat_of_ten_thousand_leaves_and_a_model_of_twenty_thousand_parameters() -> None:
    leaves = [tg.ones(1, requires_grad=True) for _ in range(10_000)]
    begun = time.perf_counter()
    tg.cat(leaves).sum().backward()
    tg.synchronize()
    assert time.perf_counter() - begun < 4.0
    parameters = [tg.ones(1, requires_grad=True) for _ in range(20_000)]
    begun = time.perf_counter()
    total: Any = 0
    for p in parameters:
        total = total * 0.5 + p
    total.sum().backward()
    assert parameters[-1].grad.item() == 1.0
    assert time.perf_counter() - begun < 15.0


# Writing in place ---------------------------------------------------------------------------------------------------


def _set_element(x: tg.Tensor) -> None:
    x[0] = 5


def _set_masked(x: tg.Tensor) -> None:
    x[x > 0] += 1


WRITES: dict[str, Any] = {
    "element": _set_element,
    "mask": _set_masked,
    "view": lambda x: x.view(4).zero_(),
    "row": lambda x: x[1].fill_(3.0),
    "transposed": lambda x: x.t().mul_(2),
    "itself": lambda x: x.add_(1),
    "draw": lambda x: x.normal_(),
    "view of a view": lambda x: x[0][1:].zero_(),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_leaf_that_requires_grad_cannot_be_written_through_any_view(name: str) -> None:
    x = leaf(2, 2)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
        WRITES[name](x)
    assert x.is_leaf
    (x * 2).sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with tg.no_grad():
        WRITES[name](x)
    assert x.is_leaf


def test_a_layers_weight_cannot_be_written_by_row() -> None:
    layer = nn.Embedding(4, 2)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        layer.weight[2] = 3.0
    assert layer.weight.is_leaf


def test_a_parameter_made_of_a_view_is_a_leaf_whose_views_are_guarded() -> None:
    p = nn.Parameter(tg.ones(2, 3).t())
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        p[0] = 0.0
    tg.synchronize()
    (p * 2).sum().backward()
    assert p.grad.tolist() == [[2.0, 2.0]] * 3


def test_views_made_under_no_grad_and_views_made_together_are_fixed() -> None:
    w, y = leaf(2, 2), tg.zeros(2, 2)
    with tg.no_grad():
        row = y[0]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and is being modified inplace"):
        row.add_(w[0])
    z = w * 2
    with pytest.raises(RuntimeError, match="Output 1 of UnbindBackward0 is a view and is being modified inplace"):
        z.unbind()[1].zero_()
    for row in tg.zeros(2, 2):
        row.add_(1)  # takes no part in autograd


def test_data_has_a_version_of_its_own_and_detach_has_not() -> None:
    w = leaf(2)
    y = (w * w).sum()
    w.data.zero_()
    y.backward()
    assert w.grad.tolist() == [0.0, 0.0]
    y = (w * w).sum()
    w.detach().fill_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
        tg.synchronize()


def test_what_is_detached_has_a_history_of_its_own() -> None:
    w, y = leaf(2), tg.zeros(2)
    apart = y.detach()
    y.add_(w)
    assert y.requires_grad
    assert not apart.requires_grad
    z = tg.zeros(2)
    other = z.detach()
    other.mul_(w)
    assert other.requires_grad
    assert not z.requires_grad
    other.sum().backward()
    assert w.grad.tolist() == [0.0, 0.0]


def test_random_writes_cut_the_history_off() -> None:
    w = leaf(3)
    y = w * 2
    y.uniform_()
    y.sum().backward()
    assert w.grad.tolist() == [0.0, 0.0, 0.0]


def test_composites_in_place_have_a_gradient() -> None:
    w = tg.tensor([0.1, 0.9], requires_grad=True)
    y = w * 1
    y.clamp_min_(0.5)
    y.lerp_(tg.ones(2), 0.5)
    y.sum().backward()
    assert w.grad.tolist() == [0.0, 0.5]


def test_a_dimension_of_size_one_may_be_expanded_and_written() -> None:
    x = tg.ones(2, 1).expand(2, 1)
    x.add_(1)
    assert x.tolist() == [[2.0], [2.0]]
    row = tg.ones(2, 1).expand(2, 3)[:, :1]
    row.add_(1)
    assert row.tolist() == [[2.0], [2.0]]


def test_real_overlaps_are_refused_in_torchs_words() -> None:
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        tg.ones(2, 1).expand(2, 3).add_(1)
    x = tg.ones(4)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor refer to"):
        x[1:].copy_(x[:-1])
    square = tg.ones(2, 2)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor refer to"):
        square.t().add_(square)
    x[2:].copy_(x[:2])
    x.add_(x)
    tg.zeros(1).expand(3).fill_(2)  # the same value everywhere


# Backward twice ---------------------------------------------------------------------------------------------------


def test_backward_twice_where_nothing_was_saved() -> None:
    x = leaf(2)
    y = (x[0] + x.sum()).mean()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0, 2.0]
    z = (x * x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        z.backward()
        tg.synchronize()


def test_an_empty_list_of_inputs_is_refused(here: LocalSession) -> None:
    with pytest.raises(RuntimeError, match="`inputs` argument to `backward\\(\\)` cannot be empty"):
        leaf(2).sum().backward(inputs=[])


def test_as_strided_sees_the_memory_whatever_shows_it() -> None:
    x = tg.arange(12.0).reshape(3, 4)
    assert tg.as_strided(x.t(), (2, 2), (1, 4)).tolist() == [[0.0, 4.0], [1.0, 5.0]]
    assert x[1:].as_strided((2, 2), (4, 1)).tolist() == [[4.0, 5.0], [8.0, 9.0]]
    assert x[1:].as_strided((2, 2), (4, 1), 1).tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert x.t().detach().as_strided((2, 2), (1, 4)).tolist() == [[0.0, 4.0], [1.0, 5.0]]
    w = tg.arange(6.0, requires_grad=True)
    (w * 2)[1:].as_strided((2, 2), (1, 1)).sum().backward()
    assert w.grad.tolist() == [0.0, 2.0, 4.0, 2.0, 0.0, 0.0]
