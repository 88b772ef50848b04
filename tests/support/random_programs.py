"""Random programs of tensor ops that share memory, for PyTorch and telegrad alike: the same calls, the same values.

A program is made by running it on PyTorch: each step is drawn among those that PyTorch carries out, so that what is
compared is values and gradients, and, for steps that it refuses, that they are refused here as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Step = tuple[str, tuple[int, ...]]
"""What is done, and to which of the program's tensors."""

UNARY: dict[str, Callable[..., Any]] = {
    "t": lambda x: x.t(),
    "transpose": lambda x: x.transpose(0, 1),
    "view": lambda x: (x * 1).contiguous().view(9),
    "reshape": lambda x: x.reshape(3, 3),
    "expand": lambda x: x.reshape(1, 3, 3).expand(2, 3, 3).sum(0),
    "expand_row": lambda x: x[0].expand(3, 3),
    "slice": lambda x: x[:2],
    "padded_slice": lambda x: x[1:].sum() + x,
    "select": lambda x: x[1] + x * 0.5,
    "diagonal": lambda x: x.diagonal() + x,
    "unbind": lambda x: sum(x.unbind(0)) + x,
    "chunk": lambda x: x.chunk(2)[0].sum() * 0.25 + x,
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "flip": lambda x: x.flip(0),
    "double": lambda x: x * 2,
    "negate": lambda x: -x,
    "itself": lambda x: x + x,
    "sum": lambda x: x.sum() * 0.1 + x,
    "mean": lambda x: x.mean() + x,
    "row_mean": lambda x: x.mean(1, keepdim=True) + x,
    "sin": lambda x: x.sin(),
    "tanh": lambda x: x.tanh(),
    "clone": lambda x: x.clone(),
    "softmax": lambda x: x.softmax(-1),
    "detached": lambda x: x.detach() * x,
    "repeat": lambda x: x.repeat(2, 1)[1:4],
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "matmul": lambda x, y: x @ y * 0.3,
    "cat": lambda x, y: _cat(x, y)[1:4],
    "stack": lambda x, y: _stack(x, y).mean(0),
    "where": lambda x, y: x.where(x.detach() > 0.2, y),
    "row": lambda x, y: x + y[0],
    "column": lambda x, y: x * y[:, 1:2],
    "maximum": lambda x, y: x.maximum(y),
}
INPLACE: dict[str, Callable[..., Any]] = {
    "add_": lambda x, y: x.add_(y.clone()),
    "mul_": lambda x, y: x.mul_(y.clone()),
    "copy_": lambda x, y: x.copy_(y.clone()),
    "zero_": lambda x, y: x.zero_(),
    "row_add_": lambda x, y: x[0].add_(y[1].clone()),
    "set_row": lambda x, y: x.__setitem__(1, y[0].clone()),
    "set_element": lambda x, y: x.__setitem__((0, 1), 0.5),
    "set_masked": lambda x, y: x.__setitem__(x.detach() > 0.4, 0.25),
    "set_columns": lambda x, y: x.__setitem__((slice(None), slice(0, 2)), y[:, 1:].clone()),
    "t_add_": lambda x, y: x.t().add_(y.clone()),
    "sin_": lambda x, y: x.sin_(),
    "sigmoid_": lambda x, y: x.sigmoid_(),
    "data_mul_": lambda x, y: x.data.mul_(0.5),
    "detach_add_": lambda x, y: x.detach().add_(0.125),
    "flat_zero_": lambda x, y: x[0].view(3).zero_(),
    "unbound_add_": lambda x, y: x.unbind(0)[1].add_(y[0].clone()),
}
VIEWS: dict[str, Callable[..., Any]] = {
    "view_t": lambda x: x.t(),
    "view_same": lambda x: x.view(3, 3),
    "view_detached": lambda x: x.detach(),
    "view_data": lambda x: x.data,
    "view_rows": lambda x: x.expand(3, 3),
}


def _cat(x: Any, y: Any) -> Any:
    import torch

    return torch.cat([x, y]) if isinstance(x, torch.Tensor) else _telegrad().cat([x, y])


def _stack(x: Any, y: Any) -> Any:
    import torch

    return torch.stack([x, y]) if isinstance(x, torch.Tensor) else _telegrad().stack([x, y])


def _telegrad() -> Any:
    import telegrad

    return telegrad


class Program:
    """Tensors 3x3 of float64, the first `LEAVES` of them leaves, and steps that make or change tensors."""

    LEAVES = 4

    def __init__(self, lib: Any, seed: int) -> None:
        self.lib = lib
        values = random.Random(seed)
        numbers = [[[values.uniform(-1, 1) for _ in range(3)] for _ in range(3)] for _ in range(self.LEAVES)]
        self.tensors = [lib.tensor(n, dtype=lib.float64, requires_grad=i < 3) for i, n in enumerate(numbers)]
        self.seen: list[Any] = []  # gradients that a hook was called with
        self.hooked = False
        self.renewed = False  # PyTorch loses what keeps its gradient after a write that is not recorded

    def run(self, step: Step) -> str | None:
        """Carry out a step; what it raises, by PyTorch's first words."""
        name, places = step
        if self.hooked and (name in INPLACE or name == "no_grad"):
            return None  # of hooks on views that are written to later, PyTorch calls some and some not
        self.hooked = self.hooked or name.startswith("hook")
        self.renewed = self.renewed or name in ("detach_add_", "no_grad")
        operands = [self.tensors[i] for i in places]
        _ = [operand.grad_fn for operand in operands]  # PyTorch renews the history of a view when it is asked for
        try:
            if name in UNARY or name in VIEWS:
                self._add({**UNARY, **VIEWS}[name](operands[0]))
            elif name in BINARY:
                self._add(BINARY[name](*operands))
            elif name in INPLACE:
                INPLACE[name](*operands)
            elif name == "no_grad":
                with self.lib.no_grad():
                    INPLACE["add_"](*operands)
            elif name == "retain":
                operands[0].retain_grad()
            elif name == "hook":
                operands[0].register_hook(self._saw)
            elif name == "hook_scale":
                operands[0].register_hook(lambda g: g * 0.5)
            elif name == "hook_view":
                operands[0].register_hook(lambda g: g.t())
        except RuntimeError as error:
            return str(error)[:18]
        return None

    def _saw(self, gradient: Any) -> None:
        self.seen.append(gradient.clone())  # PyTorch goes on to write to it

    def _add(self, tensor: Any) -> None:
        self.tensors.append(tensor if tuple(tensor.shape) == (3, 3) else _fitted(tensor))

    def backward(self, places: list[int], given: bool, create_graph: bool) -> Any:
        """Go back from some of the tensors, with a gradient that the caller keeps if it is `given`; that gradient."""
        roots = [self.tensors[i] for i in places]
        if not given:
            sum((root * root).sum() for root in roots).backward(create_graph=create_graph)
            return None
        numbers = [[[0.5, -1.0, 2.0 + i]] * 3 for i in range(len(roots))]
        gradients = [self.lib.tensor(n, dtype=self.lib.float64) for n in numbers]
        self.lib.autograd.backward(roots, gradients, create_graph=create_graph)
        return self.lib.cat(gradients)

    def state(self) -> list[Any]:
        """Every tensor's values, whether it requires grad and is a leaf, and its gradient."""
        found = []
        for tensor in self.tensors:
            grad = tensor.grad if tensor.is_leaf or (tensor.retains_grad and not self.renewed) else None
            found.append(
                (
                    tensor.detach().tolist(),
                    tensor.requires_grad,
                    tensor.is_leaf,
                    None if grad is None else grad.detach().tolist(),
                    None if grad is None else grad.requires_grad,
                )
            )
        return found

    def told(self) -> list[Any]:
        """The gradients that hooks were called with, in an order that does not depend on that of leaves."""
        return sorted(gradient.tolist() for gradient in self.seen)


def _fitted(tensor: Any) -> Any:
    """A tensor of another shape, brought back to 3x3."""
    if tensor.ndim == 1 and tensor.shape[0] == 9:
        return tensor.view(3, 3)
    return tensor[0].expand(3, 3) if tensor.ndim == 2 else tensor.reshape(-1)[:9].reshape(3, 3)


KINDS = ["unary", "binary", "inplace", "view", "no_grad", "retain", "hook", "hook_scale", "hook_view"]


def drawn(seed: int, length: int) -> tuple[list[Step], list[int], bool, bool]:
    """The steps of a program, the places of its roots, whether they are given gradients, and `create_graph`."""
    draw = random.Random(seed)
    steps: list[Step] = []
    count = Program.LEAVES
    for _ in range(length):
        kind = draw.choices(KINDS, [4, 4, 3, 2, 0.3, 1, 0.3, 0.3, 0.3])[0]
        table = {"unary": UNARY, "binary": BINARY, "inplace": INPLACE, "view": VIEWS}.get(kind)
        name = draw.choice(sorted(table)) if table else kind
        recent = [draw.choice([draw.randrange(count), count - 1]) for _ in range(2)]
        steps.append((name, tuple(recent)))
        count += table is UNARY or table is BINARY or table is VIEWS
    roots = draw.sample(range(count), min(3, count))
    return steps, roots, draw.random() < 0.3, draw.random() < 0.25
