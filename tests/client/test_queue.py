"""The queue between recording and sending, and how submissions are cut from it."""

from __future__ import annotations

from typing import Any

import pytest

from telegrad._stream.batching import SMALL_FREES, Batcher, Submission
from telegrad._stream.queue import EPOCH, Barrier, Queue, RecordedRow, freed_id, is_due, outs_of, tensor_ids
from telegrad_protocol import wire
from telegrad_protocol.devices import DEVICE_SHIFT
from telegrad_protocol.spec import OPS


def row(out: int, device: int = 0) -> RecordedRow:
    return RecordedRow(OPS["neg"].index, device << DEVICE_SHIFT, out, (1,), None, 0)


class Owner:
    def __init__(self, tensor_id: int, free_now: bool) -> None:
        self._id, self._free_now = tensor_id, free_now


@pytest.fixture
def queue() -> Queue:
    return Queue()


def cut(queue: Queue) -> list[tuple[int, list[Any]]]:
    """Every submission: its epoch, and for each row its op's name and results, or the ids that it frees."""
    batcher, found = Batcher(queue.items, lambda _: None), []
    while queue.items:
        submission, _ = batcher.cut()
        if submission is not None:
            found.append((submission.epoch, shown(submission)))
    return found


def shown(submission: Submission) -> list[Any]:
    rows = wire.decode_submission(submission.body).rows
    return [list(args[0]) if op == OPS["free"].index else outs for op, _, outs, args in rows]


def test_freeing_says_which_tensor_and_how_soon(queue: Queue) -> None:
    queue.free(3)
    queue.free(4, now=True)
    finalize = queue.finalizer()
    for owner in (Owner(5, False), Owner(6, True), Owner(0, True)):
        finalize(owner)
    assert [(freed_id(item), is_due(item)) for item in queue.items] == [(3, False), (4, True), (5, False), (6, True)]


def test_small_tensors_are_freed_together_and_large_ones_before_the_next_row(queue: Queue) -> None:
    queue.items.append(row(1))
    queue.free(1)
    queue.items.append(row(2))
    queue.free(2, now=True)
    queue.items.append(row(3))
    assert cut(queue) == [(0, [1, 2, [1, 2], 3])]
    for tensor_id in range(SMALL_FREES):
        queue.free(tensor_id + 1)
    queue.items.append(row(100))
    assert cut(queue) == [(0, [[*range(1, SMALL_FREES + 1)], 100])]


def test_a_submission_ends_before_another_device_and_the_next_epoch(queue: Queue) -> None:
    queue.items.extend([row(1), row(2, device=1), row(3, device=1), EPOCH, row(4, device=1)])
    assert cut(queue) == [(0, [1]), (0, [2, 3]), (1, [4])]


def test_a_barrier_is_passed_with_the_rows_before_it(queue: Queue) -> None:
    barrier = Barrier()
    queue.items.extend([row(1), barrier, row(2)])
    _, barriers = Batcher(queue.items, lambda _: None).cut()
    assert barriers == [barrier]
    assert not barrier.is_before(0)
    assert barrier.is_before(1)


def test_what_a_row_names() -> None:
    assert outs_of(row(7)) == (7,)
    assert outs_of(None) == ()
    assert tensor_ids(row(7)) == [1]
    operands = RecordedRow(OPS["add"].index, 0, 2, (1, (5,), 1), None, 0)
    assert tensor_ids(operands) == [1], "a number travels as (number,)"
