"""Samples run on an engine in this process: values, and gradients of a weighted sum of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from telegrad_protocol.spec import OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.kernels import IMPLS
from telegrad_server.samples.base import Sample, T
from telegrad_server.worker.engine import Engine, backward_pass
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.session import DEFAULT_SEED
from telegrad_server.worker.tensor import Tensor, edge_of

GENERATOR_OPS: Final = {name for name, spec in OPS.items() if spec.generator_slot is not None}


def new_engine() -> Engine:
    """An engine on NumPy with enough memory for any sample."""
    return Engine(NumpyBackend(), Budget(1 << 30))


def seeded(sample: Sample, dtype: str | None = None) -> list[np.ndarray]:
    """The arrays of a sample's tensors."""
    return [t.make(seed, dtype) for seed, t in enumerate(sample.tensors())]


def weights(shape: tuple[int, ...], salt: int, dtype: Any) -> np.ndarray:
    """Fixed weights that turn results into a scalar."""
    return np.array(np.random.default_rng(1000 + salt).uniform(0.5, 1.5, shape)).astype(dtype)


def fill(sample: Sample, values: list[Any]) -> tuple[Any, ...]:
    """The sample's arguments with these values for its tensors."""
    queue = iter(values)

    def filled(value: Any) -> Any:
        if isinstance(value, T):
            return next(queue)
        if isinstance(value, tuple) and any(isinstance(item, T) for item in value):
            return tuple(filled(item) for item in value)
        return value

    return tuple(filled(value) for value in sample.args)


class Run:
    """One sample on an engine, by default a fresh one on NumPy: its inputs, arguments and results."""

    def __init__(
        self,
        sample: Sample,
        dtype: str | None = None,
        arrays: list[np.ndarray] | None = None,
        engine: Engine | None = None,
    ) -> None:
        np.seterr(all="ignore")
        self.sample = sample
        self.engine = engine or new_engine()
        self.spec = OPS[sample.op]
        self.inputs: list[Tensor] = []
        made = seeded(sample, dtype) if arrays is None else arrays
        for array, t in zip(made, sample.tensors(), strict=True):
            tensor = self.engine.wrap(self.engine.xp.copy(array))
            tensor.requires_grad = t.grad
            self.inputs.append(tensor)
        self.args = self.spec.convert(fill(sample, self.inputs))
        if self.spec.generator_slot is not None:
            args = list(self.args)
            args[self.spec.generator_slot] = self.engine.xp.new_generator(DEFAULT_SEED)
            self.args = tuple(args)

    def call(self) -> tuple[Tensor, ...]:
        """The op's results."""
        result = self.engine.apply(IMPLS[self.sample.op], self.args, grad=True)
        self.outs = result if isinstance(result, tuple) else (result,)
        return self.outs

    def floating(self) -> list[Tensor]:
        """The results that have gradients."""
        return [out for out in self.outs if out.dtype.is_floating_point]

    def differentiable(self) -> list[Tensor]:
        """The inputs whose gradients are checked."""
        return [t for t, s in zip(self.inputs, self.sample.tensors(), strict=True) if s.grad]

    def grads(self, create_graph: bool = False) -> list[Any]:
        """Gradients of sum(weight * out) over all floating results, for every differentiable input (None: no path)."""
        made = [weights(o.shape, i, o.data.dtype) for i, o in enumerate(self.floating())]
        return self.pull(
            [(o, self.engine.xp.copy(w)) for o, w in zip(self.floating(), made, strict=True)], create_graph
        )

    def pull(self, roots: list[Any], create_graph: bool = False) -> list[Any]:
        """Gradients of every differentiable input, from gradients of results."""
        backward = backward_pass(self.engine, create_graph=create_graph, retain=True)
        roots = [(o, w) for o, w in roots if o.requires_grad]
        inputs = self.differentiable()
        backward.want([edge_of(t) for t in inputs], [edge_of(o) for o, _ in roots])
        for out, weight in roots:
            backward.start(edge_of(out), self.engine.wrap(weight) if create_graph else weight, out._meta)
        backward.run()
        return [backward.gradient_at(edge_of(t)) for t in inputs]
