"""Functions that are written on the client out of ops give what PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import telegrad as tg

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)
CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "unfold": lambda t, f, x: x.unfold(3, 2, 1),
    "median": lambda t, f, x: x.median(),
    "median along": lambda t, f, x: x.median(1).values,
    "max along": lambda t, f, x: x.max(2).indices,
    "max of two": lambda t, f, x: t.max(x, x.flip(0)),
    "std": lambda t, f, x: x.std(1, unbiased=False),
    "norm": lambda t, f, x: x.norm(),
    "one_hot": lambda t, f, x: f.one_hot(t.tensor([0, 2, 1])),
    "one_hot of five": lambda t, f, x: f.one_hot(t.tensor([0, 2, 1]), 5),
    "interpolate": lambda t, f, x: f.interpolate(x, scale_factor=2),
    "interpolate bilinear": lambda t, f, x: f.interpolate(x, size=(4, 9), mode="bilinear"),
    "tensordot": lambda t, f, x: t.tensordot(x, x, dims=([2, 3], [2, 3])),
    "repeat_interleave": lambda t, f, x: t.repeat_interleave(x, t.tensor([1, 0, 2]), dim=1),
    "block_diag": lambda t, f, x: t.block_diag(x[0, 0], x[0, 1]),
    "mask": lambda t, f, x: x[x > 0.5],
    "indices": lambda t, f, x: x[:, [0, 2], 1:, None],
    "assignment": lambda t, f, x: _assigned(t, x.clone()),
    "nonzero": lambda t, f, x: t.where(x > 1.5)[2],
    "meshgrid": lambda t, f, x: t.meshgrid(t.arange(3), t.arange(2), indexing="xy")[1],
    "einsum": lambda t, f, x: t.einsum("nchw,ncvw->nhv", x, x),
}


def _assigned(torch: Any, x: Any) -> Any:
    x[0, 1] = 5.0
    x[:, 0, ::2] = torch.arange(6.0)
    x[x < -1] = 0.0
    return x


@pytest.mark.oracle
@pytest.mark.parametrize("name", CALLS)
def test_as_in_torch(client: str, name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    ours = CALLS[name](tg, tg.nn.functional, tg.tensor(IMAGE))
    theirs = CALLS[name](torch, torch.nn.functional, torch.tensor(IMAGE))
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert repr(ours.dtype) == repr(theirs.dtype)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
