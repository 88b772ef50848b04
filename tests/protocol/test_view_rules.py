"""What rules say of views, against PyTorch: shape, strides, offset, and whether memory is shared at all."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine import fill, torch_call

from telegrad_protocol.dtypes import by_name
from telegrad_protocol.shapes import HasMeta, Meta, meta
from telegrad_protocol.spec import OPS, Inferred
from telegrad_server.samples import SAMPLES, Sample

VIEWS = [sample for name, samples in SAMPLES.items() if OPS[name].view for sample in samples]


class Known(HasMeta):
    """Something with metadata and nothing else."""

    def __init__(self, known: Meta) -> None:
        self._meta = known


def known(tensor: Any) -> Known:
    dtype = by_name(str(tensor.dtype).removeprefix("torch."))
    return Known(meta(tuple(tensor.shape), dtype, tuple(tensor.stride())))


def plain(torch: Any, shape: tuple[int, ...]) -> Any:
    return torch.zeros(shape)


def transposed(torch: Any, shape: tuple[int, ...]) -> Any:
    return torch.zeros(shape[::-1]).permute(tuple(reversed(range(len(shape)))))


def inner(torch: Any, shape: tuple[int, ...]) -> Any:
    """Every second element of a part of something larger."""
    wide = torch.zeros([2 * size + 1 for size in shape])
    return wide[tuple(slice(1, None, 2) for _ in shape)]


def in_torch(sample: Sample, tensor: Any) -> tuple[Any, ...]:
    """The same call in PyTorch, where private ops have another name."""
    if sample.op == "_slice":
        index = [slice(*item) if isinstance(item, tuple) else item for item in sample.args[1]]
        return (tensor[(*index, ...)],)
    if sample.op == "_unfold_windows":
        return (tensor.unfold(*sample.args[1:]),)
    return (tensor.data,) if sample.op == "_data" else torch_call(sample, [tensor])


def offsets_of(found: Inferred) -> tuple[Any, ...]:
    return found.offset if isinstance(found.offset, tuple) else (found.offset,) * len(found.metas)


@pytest.mark.oracle
@pytest.mark.parametrize("layout", [plain, transposed, inner], ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("sample", VIEWS, ids=str)
def test_a_view_has_the_strides_and_the_offset_of_torch(sample: Sample, layout: Any) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    if sample.op == "as_strided" and layout is not plain:
        pytest.skip("of a contiguous tensor's memory")
    tensor = layout(torch, sample.tensors()[0].shape)
    args = OPS[sample.op].convert(fill(sample, [known(tensor)]))
    try:
        expected = in_torch(sample, tensor)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            OPS[sample.op].infer(args)
        return
    found = OPS[sample.op].infer(args)
    memory = tensor.untyped_storage().data_ptr()
    assert len(found.metas) == len(expected)
    for one, offset, want in zip(found.metas, offsets_of(found), expected, strict=True):
        assert one.shape == tuple(want.shape)
        assert one.strides == tuple(want.stride())
        shared = want.untyped_storage().data_ptr() == memory
        assert (offset is not None) == shared
        assert not shared or offset == want.storage_offset() - tensor.storage_offset()
