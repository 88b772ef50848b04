"""Random programs that read often: views, writes of every kind, failures, and reads of parts between them.

The same program runs on PyTorch and on telegrad, and gives what it read. All numbers are small integers or halves, so
that both compute the same bits.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

View = Callable[[Any], Any]

VIEWS: dict[str, View] = {
    "head": lambda x: x[:3],
    "tail": lambda x: x[2:],
    "row": lambda x: x[1],
    "last": lambda x: x[-1],
    "every_second": lambda x: x[::2],
    "t": lambda x: x.t() if x.ndim == 2 else x.detach(),
    "unsqueezed": lambda x: x.unsqueeze(-1),
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "unbound": lambda x: x.detach().unbind(0)[0],
    "diagonal": lambda x: x.diagonal() if x.ndim == 2 else x.detach(),
    "expanded": lambda x: x.detach().unsqueeze(0).expand(2, *x.shape),
    "middle": lambda x: x.detach()[len(x) // 2 :][:4],
    "split": lambda x: x.detach().split(2)[-1],
}
WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "add_": lambda x, y: x.add_(1),
    "mul_": lambda x, y: x.mul_(-1),
    "iadd": lambda x, y: x.__iadd__(2),
    "zero_": lambda x, y: x.zero_(),
    "fill_": lambda x, y: x.fill_(3),
    "copy_": lambda x, y: x.copy_(y.detach().sum().clone()),
    "set_first": lambda x, y: x.__setitem__(0 if x.ndim and len(x) else ..., 5.0),
    "set_masked": lambda x, y: x.__setitem__(x > 2, 0.5),
    "through_data": lambda x, y: x.data.sub_(1),
    "through_detached": lambda x, y: x.detach().add_(4),
    "first_add_": lambda x, y: x[:1].add_(1) if x.ndim else x.sub_(1),
    "clamp_": lambda x, y: x.clamp_(-3, 3),
    "random_": lambda x, y: x.random_(1, 2),
}
OPS: dict[str, Callable[[Any, Any], Any]] = {
    "double": lambda x, y: x * 2,
    "sum": lambda x, y: x.sum(),
    "plus": lambda x, y: x + y.detach().sum(),
    "clone": lambda x, y: x.clone(),
    "large": lambda x, y: x.detach().sum() + x.new_zeros(3000),
    "less": lambda x, y: (x < 2).to(x.dtype),
}
KINDS = {
    "read": 6,
    "view": 4,
    "write": 4,
    "op": 3,
    "train": 1,
    "set_data": 0.7,
    "set_grad": 0.4,
    "fail": 0.5,
    "norm": 0.5,
}


class Reader:
    """One library's run of a program."""

    def __init__(self, lib: Any, fails: Callable[[Reader, random.Random], None]) -> None:
        self.lib = lib
        self.fails = fails
        make = lambda *shape: (lib.arange(float(lib.zeros(shape).numel())) + 1).to(lib.float64).reshape(shape)
        self.weights = [make(3, 3).requires_grad_(), make(4).requires_grad_()]
        self.tensors: list[Any] = [*self.weights, make(5, 4), make(2500), make(1).squeeze(0) + 1]
        self.optimizer = lib.optim.SGD(self.weights, lr=0.5, momentum=0.5)
        self.norm = lib.nn.BatchNorm1d(2, momentum=0.5, dtype=lib.float64)
        self.tensors += [self.norm.running_mean, self.norm.running_var, self.norm.num_batches_tracked]
        self.read: list[Any] = []

    def run(self, seed: int, length: int) -> None:
        draw = random.Random(seed)
        for _ in range(length):
            kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
            x, y = (self.tensors[draw.randrange(len(self.tensors))] for _ in range(2))
            getattr(self, f"_{kind}")(draw, x, y)

    def _read(self, draw: random.Random, x: Any, y: Any) -> None:
        how = draw.choice(["tolist", "numpy", "item", "iterate", "bool", "format", "changed"])
        x = x.detach()
        if how == "tolist":
            self.read.append(x.tolist())
        elif how == "numpy":
            self.read.append(x.numpy().tolist())
        elif how == "changed":  # an array that was handed out is the caller's: a change of it is not seen
            array = x.clone().numpy()
            array[...] = 9
            self.read.append(x.tolist())
        elif how == "iterate" and x.ndim:
            self.read += [v.tolist() for v in x[:6]]
        elif x.numel():
            x = x.reshape(-1)[draw.randrange(x.numel())]
            self.read.append({"bool": bool, "format": lambda v: f"{v:.3f}"}.get(how, lambda v: v.item())(x))

    def _view(self, draw: random.Random, x: Any, y: Any) -> None:
        view = VIEWS[draw.choice(sorted(VIEWS))]
        self.tensors.append(view(x) if x.ndim and len(x) > 1 else x.detach())

    def _op(self, draw: random.Random, x: Any, y: Any) -> None:
        with self.lib.no_grad():
            self.tensors.append(OPS[draw.choice(sorted(OPS))](x, y))

    def _write(self, draw: random.Random, x: Any, y: Any) -> None:
        write = WRITES[draw.choice(sorted(WRITES))]
        with self.lib.no_grad():
            try:
                write(x, y)
            except RuntimeError as error:  # an expanded tensor
                self.read.append(str(error)[:30])

    def _train(self, draw: random.Random, x: Any, y: Any) -> None:
        loss = sum((w * w).sum() for w in self.weights) * 0.5
        loss.backward()
        self.tensors += [w.grad for w in self.weights]
        self.read.append(self.weights[0].grad.tolist())
        if draw.random() < 0.7:
            self.optimizer.step()
        if draw.random() < 0.3:
            self.optimizer.zero_grad(set_to_none=draw.random() < 0.5)
        if draw.random() < 0.3:
            self.read += [held["momentum_buffer"].tolist() for held in self.optimizer.state.values() if held]

    def _set_data(self, draw: random.Random, x: Any, y: Any) -> None:
        """Other memory for a tensor; a weight's is that of no other weight."""
        found = draw.choice([t for t in self.tensors if t.dtype == x.dtype and t.shape == x.shape])
        if any(x is w for w in self.weights):
            found = found.detach().clone()
            self.tensors.append(found)
        x.data = found.data

    def _set_grad(self, draw: random.Random, x: Any, y: Any) -> None:
        w = draw.choice(self.weights)
        given = draw.choice([t for t in self.tensors if t.dtype == w.dtype and t.shape == w.shape]).detach().clone()
        w.grad = given
        self.tensors += [given, given[:2]]

    def _norm(self, draw: random.Random, x: Any, y: Any) -> None:
        how = draw.randrange(3)
        if how == 0:
            self.norm(self.lib.ones(4, 2, dtype=self.lib.float64))
        elif how == 1:
            values = {name: value.detach() * 2 for name, value in self.norm.state_dict().items()}
            self.norm.load_state_dict(values)
        else:
            self.norm.reset_running_stats()

    def _fail(self, draw: random.Random, x: Any, y: Any) -> None:
        self.fails(self, draw)
