"""Views: which elements they show, that writes are seen on both sides, and that gradients follow the writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import telegrad as tg

VIEWS: dict[str, Callable[[Any], Any]] = {
    "index": lambda x: x[1],
    "slice": lambda x: x[:, 1:3],
    "step": lambda x: x[..., ::2],
    "new axis": lambda x: x[:, None],
    "ellipsis": lambda x: x[..., 0],
    "narrow": lambda x: x.narrow(2, 1, 2),
    "select": lambda x: x.select(1, 2),
    "view": lambda x: x.view(6, 4),
    "view, size left open": lambda x: x.view(-1, 2),
    "view_as": lambda x: x.view_as(x[:, :, :]),
    "reshape": lambda x: x.reshape(4, 6),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "transpose": lambda x: x.transpose(0, 2),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "permute": lambda x: x.permute(2, 0, 1),
    "movedim": lambda x: x.movedim(0, 2),
    "mT": lambda x: x.mT,
    "t": lambda x: x[0].t(),
    "T": lambda x: x[1].T,
    "diagonal": lambda x: x.diagonal(0, 1, 2),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "expand": lambda x: x[:, :1].expand(2, 1, 4),
    "unfold": lambda x: x.unfold(2, 2, 2),
    "unbind": lambda x: x.unbind(1)[2],
    "split": lambda x: x.split(3, dim=2)[1],
    "chunk": lambda x: x.chunk(2)[1],
    "tensor_split": lambda x: x.tensor_split(2, dim=1)[1],
    "detach": lambda x: x.detach(),
    "as_strided": lambda x: x.as_strided((2, 2), (12, 1), 1),
    "of a view": lambda x: x.transpose(0, 2)[1:3].flatten(1, 1)[:, 0],
}


def made(lib: Any) -> Any:
    """Each element is its own position."""
    return lib.arange(24.0).reshape(2, 3, 4).clone()


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_a_view_reaches_the_elements_that_it_shows(lib: Any, name: str) -> None:
    x = made(lib)
    view = VIEWS[name](x)
    shown = [int(value) for value in view.flatten().tolist()]
    assert 0 < len(shown) <= 24
    view.fill_(-1.0)
    assert x.flatten().tolist() == [-1.0 if position in shown else float(position) for position in range(24)]


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_the_whole_is_seen_in_a_view(lib: Any, name: str) -> None:
    x = made(lib)
    view = VIEWS[name](x)
    before = view.clone()
    x.mul_(2)
    assert lib.equal(view, before * 2)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shows_its_strides_and_offset(lib: Any, name: str) -> None:
    x = made(lib)
    view = VIEWS[name](x)
    again = x.as_strided(view.shape, view.stride(), view.storage_offset())
    assert lib.equal(again, view)
    was_contiguous, copied = view.is_contiguous(), view.contiguous()
    assert copied.is_contiguous()
    copied.fill_(-1.0)
    assert (view.min().item() == -1.0) == was_contiguous


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"detach"}))
def test_a_gradient_reaches_the_elements_that_a_view_shows(lib: Any, name: str) -> None:
    x = made(lib).requires_grad_()
    view = VIEWS[name](x)
    shown = [int(value) for value in view.detach().flatten().tolist()]
    (view * view).sum().backward()
    assert x.grad.flatten().tolist() == [2.0 * place if place in shown else 0.0 for place in range(24)]


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"detach", "unbind", "split", "chunk"}))
def test_a_write_to_a_view_is_in_the_history_of_the_whole(lib: Any, name: str) -> None:
    leaf, factor = made(lib).requires_grad_(), lib.tensor(3.0, requires_grad=True)
    x = leaf * 1
    view = VIEWS[name](x)
    shown = [int(value) for value in view.detach().flatten().tolist()]
    view.mul_(factor)
    x.sum().backward()
    assert leaf.grad.flatten().tolist() == [3.0 if place in shown else 1.0 for place in range(24)]
    assert factor.grad.item() == sum(shown)


@pytest.mark.parametrize("name", ["unbind", "split", "chunk"])
def test_views_that_are_made_together_are_not_written_where_gradients_flow(lib: Any, name: str) -> None:
    x = made(lib).requires_grad_() * 1
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        VIEWS[name](x).mul_(2.0)


def test_copies_are_no_views(lib: Any) -> None:
    x = made(lib)
    copies = (
        *(x.clone(), x[[0, 1]], x[x > 3], x.mT.clone(), x.mT.contiguous()),
        *(x.mT.reshape(-1), x.repeat(1, 1, 1), x + 0, x.double(), lib.tensor(x.tolist())),
    )
    for copied in copies:
        copied.fill_(-1.0)
    assert x.flatten().tolist() == list(range(24))
    assert x.to(x.dtype) is x


def test_views_that_cannot_be(lib: Any) -> None:
    x = made(lib)
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        x.mT.view(-1)
    with pytest.raises(RuntimeError, match=r"shape '\[5, -1\]' is invalid for input of size 24"):
        x.view(5, -1)
    with pytest.raises(RuntimeError, match="The expanded size of the tensor"):
        x.expand(2, 3, 5)
    with pytest.raises(RuntimeError, match=r"start \(3\) \+ length \(2\) exceeds dimension size \(4\)"):
        x.narrow(2, 3, 2)
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.transpose(0, 3)


@pytest.mark.usefixtures("here")
def test_views_that_are_not_there_say_what_to_do_instead() -> None:
    with pytest.raises(NotImplementedError, match=r"t\.to\(dtype\)"):
        tg.ones(2).view(tg.int32)
    part = tg.ones(4)[1:3].detach().requires_grad_()
    with pytest.raises(NotImplementedError, match=r"\.clone\(\)"):
        part.as_strided((2,), (1,))
