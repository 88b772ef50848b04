"""What a failure undoes, in whatever order the replies come."""

from __future__ import annotations

from telegrad._stream.batching import Submission
from telegrad._stream.changes import Change
from telegrad._stream.failures import Failures
from telegrad._stream.queue import RecordedRow
from telegrad_protocol.errors import SessionGone
from telegrad_protocol.spec import OPS

ERROR = {"type": "op_error", "message": "it failed"}


def submission(number: int, epoch: int, undone: list[int]) -> Submission:
    """A submission of one row, which notes when it is undone."""
    change = Change(lambda: None, lambda: undone.append(number))
    row = RecordedRow(OPS["manual_seed"].index, 0, None, (1, None), None, 0, change)
    return Submission(number, epoch, 0, [row], b"")


def failures() -> Failures:
    return Failures(1, lambda tensor_id: SessionGone("of another session"))


def test_what_came_before_the_failing_row_stays_if_its_reply_comes_later() -> None:
    undone: list[int] = []
    found = failures()
    before, failing, after = (submission(number, 0, undone) for number in range(3))
    assert found.add(failing, {**ERROR, "row": 0}, 0)
    found.roll_back([before, after], [])
    assert undone == [2, 1]


def test_what_an_earlier_failure_has_undone_is_not_undone_again() -> None:
    undone: list[int] = []
    found = failures()
    failing, skipped = (submission(number, 0, undone) for number in range(2))
    assert found.add(failing, {**ERROR, "row": 0}, 0)
    found.roll_back([skipped], [])
    assert undone == [1, 0]
    assert not found.add(skipped, ERROR, 0)
    assert found.add(submission(2, 1, undone), {**ERROR, "row": 0}, 1)
    found.roll_back([], [])
    assert undone == [1, 0, 2]
