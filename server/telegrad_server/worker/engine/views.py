"""Views: results that share the memory of an op's argument."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.rules import frozen_view
from telegrad_protocol.spec import Inferred, OpSpec
from telegrad_server.worker.tensor import Tensor


def wrap_views(spec: OpSpec, inferred: Inferred, result: Any, source: Tensor, grad: bool) -> tuple[Tensor, ...]:
    """Tensors on the arrays that a view op returned for `source`."""
    if spec.detached:
        return (source.detached(source.storage.with_own_version() if spec.own_version else None),)
    results = result if type(result) in (tuple, list) else (result,)
    offset = inferred.offset
    offsets = offset if isinstance(offset, tuple) else (offset or 0,)
    views = []
    for index, (data, meta, offset) in enumerate(zip(results, inferred.metas, offsets, strict=True)):
        view = Tensor(data, meta, source.storage)
        view.base = source.base or source
        view.offset = source.offset + offset
        view.rebased = view.base.rebased
        if source.origin is not None or source.alone:
            view.origin = source.origin or source
        frozen = frozen_view(spec, grad, index) or source.frozen
        if frozen is not None:
            view.frozen = frozen
        views.append(view)
    return tuple(views)
