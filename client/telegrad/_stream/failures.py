"""Failures of rows: what the next call raises, why tensors have no values, and what is rolled back on this side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from telegrad._tracing.call_sites import describe_site
from telegrad_protocol.errors import TelegradError, UnknownTensor, from_dict

from .batching import Submission
from .queue import Item, call_site_of, change_of, outs_of, tensor_ids
from .reads import Reads


class Failed(NamedTuple):
    """A submission that failed, with the server's error and the rows from the failing one on."""

    number: int
    epoch: int
    error: dict[str, Any]
    items: list[Any]


class Failures:
    """The failures of one session; every method is called with the sender's lock held.

    `unraised`: the failure that the next call raises. `causes`: why a tensor has no value, by its id.
    """

    def __init__(self, first_id: int, of_another_session: Callable[[int], TelegradError]) -> None:
        self.unraised: TelegradError | None = None
        self.causes: dict[int, TelegradError] = {}
        self._first_id = first_id  # lower ones are of earlier sessions
        self._of_another_session = of_another_session
        self._latest: TelegradError | None = None
        self._failed_in = 0
        self._skipped: list[tuple[int, list[Any]]] = []
        self._unexplained: list[Failed] = []

    def add(self, submission: Submission, error: dict[str, Any], epoch: int) -> bool:
        """Note the failure of a submission. Returns whether the next call raises it."""
        row_index = error.get("row")
        items = submission.items[row_index or 0 :]
        self._skipped.append((submission.number, items))
        self._unexplained.append(Failed(submission.number, submission.epoch, error, items))
        if row_index is None or submission.epoch != epoch:
            return False
        self.unraised = self._latest = self._cause(submission.items[row_index], error)
        self._failed_in = submission.number
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
        site = call_site_of(item)
        if site is not None:
            describe_site(found, *site)
        return found

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
            cause = self.unraised or self._latest or from_dict(failed.error)
            for tensor_id in [tensor_id for item in failed.items for tensor_id in outs_of(item)]:
                if tensor_id not in reads:
                    self.causes[tensor_id] = cause
                elif (future := reads.take(tensor_id)) is not None:
                    future.set_result(None, cause)

    def forget(self, tensor_id: int) -> None:
        """Forget the cause of a tensor that is gone."""
        if self.causes:
            self.causes.pop(tensor_id, None)

    def roll_back(self, in_flight: Iterable[Submission], recorded: Iterable[Item]) -> None:
        """Undo what calls from the failing one on changed on this side."""
        # A reply to an earlier submission, whose rows have been executed, may still be on its way.
        refused = [(s.number, s.items) for s in in_flight if s.number > self._failed_in]
        later = sorted([*self._skipped, *refused], key=lambda pair: pair[0])
        for item in reversed([*(item for _, items in later for item in items), *recorded]):
            change = change_of(item)
            if change is not None:
                change.roll_back()
        self._skipped.clear()
        self.unraised = None
