"""A short training run on a device: a small network learns a function, so that its loss falls."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from telegrad_protocol import dtypes
from telegrad_server.worker.engine import Engine, backward_pass
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.tensor import Tensor, edge_of

from .report import Part

ROWS, INPUTS, HIDDEN = 256, 20, 64
RATE = 1e-2


def train(xp: Any, quick: bool) -> Part:
    """Train with Adam; the loss must fall to a fifth."""
    steps = 60 if quick else 300
    engine = Engine(xp, Budget(1 << 30))
    batch, parameters = _data_and_parameters(engine)
    adam = Adam(xp, parameters)
    losses = []
    begin = time.perf_counter()
    for _ in range(steps):
        losses.append(_step(engine, batch, parameters))
        adam.step()
    xp.synchronize()
    seconds = time.perf_counter() - begin
    first, last = (float(xp.to_host(loss.data)) for loss in (losses[0], losses[-1]))
    xp.raise_faults()
    return {
        "ok": last < first / 5,
        "steps": steps,
        "first_loss": first,
        "last_loss": last,
        "milliseconds_per_step": 1000 * seconds / steps,
    }


def _data_and_parameters(engine: Engine) -> tuple[list[Tensor], list[Tensor]]:
    rng = np.random.default_rng(0)

    def leaf(array: np.ndarray, grad: bool) -> Tensor:
        tensor = engine.wrap(engine.xp.copy(array.astype(np.float32)))
        tensor.requires_grad = grad
        return tensor

    x = rng.standard_normal((ROWS, INPUTS))
    y = np.tanh(x[:, :1] * x[:, 1:2])
    shapes = ((HIDDEN, INPUTS), (HIDDEN,), (1, HIDDEN), (1,))
    made = [rng.uniform(-1, 1, shape) / np.sqrt(shape[-1]) for shape in shapes]
    return [leaf(x, False), leaf(y, False)], [leaf(array, True) for array in made]


def _step(engine: Engine, batch: list[Tensor], parameters: list[Tensor]) -> Tensor:
    """The loss, with the parameters' gradients computed."""
    ops, (x, y), (w1, b1, w2, b2) = engine.recorded, batch, parameters
    for parameter in parameters:
        parameter.grad = None
    loss: Tensor = ops.mse_loss(ops.linear(ops.relu(ops.linear(x, w1, b1)), w2, b2), y)
    backward = backward_pass(engine, create_graph=False, retain=False)
    backward.start(edge_of(loss), engine.xp.ones((), dtypes.float32), loss._meta)
    backward.run()
    backward.write_grads()
    return loss


class Adam:
    """Adam's state on the device."""

    def __init__(self, xp: Any, parameters: list[Tensor]) -> None:
        self.xp = xp
        self.parameters = parameters
        self.counts = [xp.zeros((), dtypes.float32) for _ in parameters]
        self.firsts = [xp.zeros(p.shape, dtypes.float32) for p in parameters]
        self.seconds = [xp.zeros(p.shape, dtypes.float32) for p in parameters]

    def step(self) -> None:
        """Move the parameters."""
        arrays = [p.data for p in self.parameters]
        grads = [p.grad.data for p in self.parameters if p.grad is not None]
        held = (self.counts, self.firsts, self.seconds)
        self.xp.adam_update(arrays, grads, *held, None, RATE, 0.9, 0.999, 1e-8, 0.0, False, False)
