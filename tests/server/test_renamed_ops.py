"""Private ops, compared with the PyTorch functions of another name or form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.engine import Run, fill, seeded

from telegrad_server.samples import SAMPLES, Sample


def _indexed(torch: Any, input: Any, indices: Any) -> Any:
    return torch.ops.aten.index(input, list(indices))


def _basic(torch: Any, input: Any, index: Any) -> Any:
    return input[(*[slice(*item) if isinstance(item, tuple) else item for item in index], ...)]


def _distinct(torch: Any, input: Any, sorted: bool, inverse: bool, counts: bool, dim: Any) -> Any:
    return torch.unique(input, return_inverse=True, return_counts=True, dim=dim)


def _runs(torch: Any, input: Any, inverse: bool, counts: bool, dim: Any) -> Any:
    return torch.unique_consecutive(input, return_inverse=True, return_counts=True, dim=dim)


IN_TORCH: dict[str, Callable[..., Any]] = {
    "_slice": _basic,
    "_index": _indexed,
    "_index_mask": _indexed,
    "_unfold_windows": lambda torch, input, *windows: input.unfold(*windows),
    "_repeat_interleave_each": lambda torch, *args: torch.repeat_interleave(*args),
    "_repeated_index": lambda torch, repeats, count: torch.repeat_interleave(repeats),
    "_block_diagonal": lambda torch, tensors: torch.block_diag(*tensors),
    "meshgrid": lambda torch, tensors, indexing: torch.meshgrid(*tensors, indexing=indexing),
    "_pad_constant": lambda torch, input, pad, value: torch.nn.functional.pad(input, pad, value=value),
    "_one_hot_classes": lambda torch, *args: torch.nn.functional.one_hot(*args),
    "_one_hot_inferred": lambda torch, tensor: torch.nn.functional.one_hot(tensor),
    "_unique": _distinct,
    "_unique_consecutive": _runs,
    "_median_dim": lambda torch, *args: torch.median(*args),
    "_nanmedian_dim": lambda torch, *args: torch.nanmedian(*args),
}
CASES = [sample for name in IN_TORCH for sample in SAMPLES[name]]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
@pytest.mark.parametrize("sample", CASES, ids=str)
def test_values_agree_with_torch(sample: Sample) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    values = [torch.from_numpy(np.array(array)) for array in seeded(sample)]
    expected = IN_TORCH[sample.op](torch, *fill(sample, values))
    expected = tuple(expected) if isinstance(expected, tuple | list) else (expected,)
    found = Run(sample).call()
    assert len(found) == len(expected)
    for out, want in zip(found, expected, strict=True):
        assert out.shape == tuple(want.shape)
        assert out.dtype.name == str(want.dtype).removeprefix("torch.")
        np.testing.assert_allclose(out.data, want.numpy(), rtol=1e-6)
