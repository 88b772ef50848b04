"""Optimizer updates on a CUDA device: one launch for all parameters of a dtype, or a few where there are many.

The kernels do nothing while a fault is set: a wrong index never changes the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from telegrad_server.backend.constants import ELEMENTS_PER_BLOCK, TENSORS_PER_LAUNCH

from .mixin import CupyMixin

Array = Any
Arrays = list[Any]

# `Table` of optim.cu, its pointers as integers.
_TABLE = np.dtype(
    [
        ("p", np.int64, TENSORS_PER_LAUNCH),
        ("g", np.int64, TENSORS_PER_LAUNCH),
        ("state", np.int64, (3, TENSORS_PER_LAUNCH)),
        ("count", np.int64, TENSORS_PER_LAUNCH),
        ("size", np.int64, TENSORS_PER_LAUNCH),
        ("first_block", np.int64, TENSORS_PER_LAUNCH),
        ("fresh", np.int64),
    ]
)


class _Update(NamedTuple):
    """One parameter and its states, as `held` by their tensors and as `written` by the kernels: contiguous."""

    held: Arrays
    written: Arrays
    g: Array
    count: Array | None
    fresh: bool


class Optim(CupyMixin):
    """See `Primitives`."""

    def sgd_update(
        self,
        params: Arrays,
        grads: Arrays,
        buffers: Arrays | None,
        fresh: list[bool],
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        states = [] if buffers is None else [buffers]
        numbers = [float(number) for number in (lr, momentum, dampening, weight_decay)]
        for dtype, updates in list(self._batches(params, grads, states, [None] * len(params), fresh)):
            self._read_again(updates)
            table, blocks = _table(updates)
            args = (table, len(updates), blocks, *numbers, nesterov, maximize, self.device.fault)
            self.device.launch_rows("optim", "sgd", (dtype,), blocks, *args)
            self._write_back(updates)

    def adam_update(
        self,
        params: Arrays,
        grads: Arrays,
        counts: Arrays,
        firsts: Arrays,
        seconds: Arrays,
        largest: Arrays | None,
        lr: float,
        b1: float,
        b2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        states = [firsts, seconds] if largest is None else [firsts, seconds, largest]
        shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
        numbers = [float(number) for number in (shrink, b1, b2, eps, decay)]
        scales = self.cp.empty((min(len(params), TENSORS_PER_LAUNCH), 2), np.float64)
        for dtype, updates in list(self._batches(params, grads, states, counts, [False] * len(params))):
            self._read_again(updates)
            (table, blocks), fault, count = _table(updates), self.device.fault, len(updates)
            rates = (float(lr), float(b1), float(b2))
            self.device.launch("optim", "adam_scales", (dtype,), count, table, count, *rates, scales, fault)
            args = (table, count, blocks, scales, *numbers, largest is not None, maximize, fault)
            self.device.launch_rows("optim", "adam", (dtype,), blocks, *args)
            self._write_back(updates)

    def _batches(
        self, params: Arrays, grads: Arrays, states: list[Arrays], counts: list[Array | None], fresh: list[bool]
    ) -> Iterator[tuple[np.dtype[Any], list[_Update]]]:
        """The updates of parameters of one dtype, as many as a table holds.

        All are to be made before the first is launched: memory that runs out then leaves all as it was.
        """
        for dtype, members in _groups(params):
            for start in range(0, len(members), TENSORS_PER_LAUNCH):
                updates = []
                for i in members[start : start + TENSORS_PER_LAUNCH]:
                    held = [params[i], *(state[i] for state in states)]
                    written, g = [self._contiguous(array) for array in held], grads[i].astype(dtype, copy=False)
                    updates.append(_Update(held, written, self._contiguous(g), counts[i], fresh[i]))
                yield dtype, updates

    def _read_again(self, updates: list[_Update]) -> None:
        """Bring copies up to date: a parameter that is given again was written since they were made."""
        for update in updates:
            for target, array in zip(update.held, update.written, strict=True):
                if array is not target:
                    self.assign(array, target)

    def _write_back(self, updates: list[_Update]) -> None:
        for update in updates:
            for target, array in zip(update.held, update.written, strict=True):
                if array is not target:
                    self.assign(target, array)


def _groups(params: Arrays) -> list[tuple[np.dtype[Any], list[int]]]:
    """The parameters by dtype; one that is given again comes in a later group, since a launch has no order."""
    groups: dict[tuple[np.dtype[Any], int], list[int]] = {}
    times: Counter[int] = Counter()
    for i, p in enumerate(params):
        place = p.data.ptr if p.size else ~i
        groups.setdefault((p.dtype, times[place]), []).append(i)
        times[place] += 1
    return [(dtype, members) for (dtype, _), members in groups.items()]


def _table(updates: list[_Update]) -> tuple[Any, int]:
    """The table of these updates, and how many blocks work on it."""
    table, count = np.zeros((), _TABLE), len(updates)
    pointers = [[array.data.ptr for array in update.written] for update in updates]
    table["p"][:count], *states = zip(*pointers, strict=True)
    table["state"][: len(states), :count] = states or 0
    table["g"][:count] = [update.g.data.ptr for update in updates]
    table["count"][:count] = [0 if update.count is None else update.count.data.ptr for update in updates]
    table["size"][:count] = sizes = np.array([update.g.size for update in updates])
    ends = np.cumsum(-(-sizes // ELEMENTS_PER_BLOCK))
    table["first_block"][1:count] = ends[:-1]
    table["fresh"] = sum(update.fresh << i for i, update in enumerate(updates))
    return table[()], int(ends[-1])
