"""Failures of rows: what the next call raises, why tensors have no values, and what is rolled back on this side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from telegrad._tracing.call_sites import describe_site
from telegrad_protocol.errors import StreamStopped, TelegradError, UnknownTensor, from_dict

from .batching import Submission
from .queue import Item, call_site_of, change_of, outs_of, tensor_ids
from .reads import Reads

MOST_CAUSES: Final = 1 << 17
"""Tensors whose cause is remembered, the latest: the server remembers as many."""


class Failed(NamedTuple):
    """A submission that failed, with the server's error and the rows from the failing one on."""

    number: int
    epoch: int
    error: dict[str, Any]
    items: list[Any]


class Skipped(NamedTuple):
    """Rows of a submission that were not executed, or not yet."""

    number: int
    epoch: int
    items: list[Any]


class Failures:
    """The failures of one session; every method is called with the sender's lock held.

    `unraised`: the failure that the next call raises. `causes`: why a tensor has no value, by its id. `left`: up to which
    epoch an interrupt has ended the work, so that what the server skipped for that reason is nobody's error.
    """

    def __init__(self, first_id: int, of_another_session: Callable[[int], TelegradError]) -> None:
        self.unraised: TelegradError | None = None
        self.causes: dict[int, TelegradError] = {}
        self.left = -1
        self._first_id = first_id  # lower ones are of earlier sessions
        self._of_another_session = of_another_session
        self._latest: TelegradError | None = None
        self._dropped: TelegradError | None = None
        self._skipped: list[Skipped] = []
        self._first = (0, 0)  # number and epoch of the submission that has the failing row
        self._unexplained: list[Failed] = []

    def add(self, submission: Submission, error: dict[str, Any], epoch: int) -> bool:
        """Note the failure of a submission. Returns whether the next call raises it."""
        row_index = error.get("row")
        left = error.get("code") == StreamStopped.code and submission.epoch <= self.left
        first = _begin_of_call(submission.items, row_index or 0) if left else row_index or 0
        items = submission.items[first:]
        self._skipped.append(Skipped(submission.number, submission.epoch, items))
        self._unexplained.append(Failed(submission.number, submission.epoch, error, items))
        if left and (self._dropped is None or row_index is not None):
            self._dropped = _at_site(from_dict({**error, "row": None}), submission.items[first])
        if left or row_index is None or submission.epoch != epoch:
            return False
        self._first = submission.number, submission.epoch
        self.unraised = self._latest = self._cause(submission.items[row_index], error)
        return True

    def _cause(self, item: Any, error: dict[str, Any]) -> TelegradError:
        """The cause of a row's failure: if it was given a tensor that had failed, that tensor's failure, with its line."""
        given = tensor_ids(item)
        for tensor_id in given:
            if tensor_id in self.causes:
                return self.causes[tensor_id]
        found = from_dict({k: v for k, v in error.items() if k != "row"})
        foreign = [tensor_id for tensor_id in given if tensor_id < self._first_id]
        if isinstance(found, UnknownTensor) and foreign:
            found = self._of_another_session(foreign[0])
        return _at_site(found, item)

    def explain(self, in_flight: Iterable[Submission], reads: Reads) -> None:
        """Give reads, and tensors, that failures left without a value their cause.

        An error that does not name its row follows from another in a submission before it, whose reply may come later,
        and which has the error that is to be raised, once.
        """
        if not self._unexplained:
            return
        explained, self._unexplained = self._unexplained, []
        for failed in explained:
            if "row" not in failed.error and any(
                other.number < failed.number and other.epoch == failed.epoch for other in in_flight
            ):
                self._unexplained.append(failed)
                continue
            by_interrupt = failed.epoch <= self.left and failed.error.get("code") == StreamStopped.code
            cause = (self._dropped if by_interrupt else self.unraised or self._latest) or from_dict(failed.error)
            for tensor_id in [tensor_id for item in failed.items for tensor_id in outs_of(item)]:
                if tensor_id not in reads:
                    self._remember(tensor_id, cause)
                elif (future := reads.take(tensor_id)) is not None:
                    future.set_result(None, cause)

    def _remember(self, tensor_id: int, cause: TelegradError) -> None:
        self.causes[tensor_id] = cause
        if len(self.causes) > MOST_CAUSES:
            self.causes.pop(next(iter(self.causes)), None)

    def forget(self, tensor_id: int) -> None:
        """Forget the cause of a tensor that is gone."""
        if self.causes:
            self.causes.pop(tensor_id, None)

    def roll_back(self, in_flight: Iterable[Submission], recorded: Iterable[Item]) -> None:
        """Undo what calls from the failing one on changed on this side.

        The replies to submissions before it may come later than its own. Those of earlier epochs were undone with these.
        """
        number, epoch = self._first
        unanswered = [Skipped(s.number, s.epoch, s.items) for s in in_flight]
        later = [s for s in (*self._skipped, *unanswered) if s.number >= number and s.epoch == epoch]
        later.sort(key=lambda skipped: skipped.number)
        for item in reversed([*(item for skipped in later for item in skipped.items), *recorded]):
            change = change_of(item)
            if change is not None:
                change.roll_back()
        self._skipped.clear()
        self.unraised = None

    def leave(self, epoch: int) -> None:
        """An interrupt ends the work up to this epoch."""
        self.left, self._dropped = epoch, None

    def drop(self, recorded: Iterable[Item]) -> list[int]:
        """Undo what calls have changed on this side that an interrupt has ended before they ran, `recorded` ones last.

        Host tensors return to the host, where they were before such a call uploaded them. Returns the ids that they had.
        """
        skipped = sorted(self._skipped, key=lambda each: each.number)
        items = [*(item for each in skipped for item in each.items), *recorded]
        self._skipped.clear()
        unused: list[int] = []
        for item in reversed(items):
            change = change_of(item)
            if change is not None:
                unused += outs_of(item) if change.lasting else ()
                change.roll_back(wholly=True)
        return unused


def _begin_of_call(items: list[Any], index: int) -> int:
    """The first row of the call that made the row at `index`: its change is undone as a whole."""
    change = change_of(items[index])
    while change is not None and index and change_of(items[index - 1]) is change:
        index -= 1
    return index


def _at_site(error: TelegradError, item: Any) -> TelegradError:
    """An error with the user's line where a row was recorded."""
    site = call_site_of(item)
    if site is not None:
        describe_site(error, *site)
    return error
