"""Submissions that have no answer yet, and up to which number all have one."""

from __future__ import annotations

import math
from collections.abc import Collection

from .batching import Submission


class InFlight:
    """Submissions of one session on their way. All below `acknowledged` have been answered."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._by_number: dict[int, Submission] = {}
        self._answered: set[int] = set()

    def __len__(self) -> int:
        return len(self._by_number)

    def add(self, submission: Submission) -> None:
        self._by_number[submission.number] = submission

    def answer(self, submission: Submission) -> None:
        """A submission has been answered."""
        self._by_number.pop(submission.number, None)
        self._answered.add(submission.number)
        while self.acknowledged in self._answered:
            self._answered.discard(self.acknowledged)
            self.acknowledged += 1

    @property
    def first(self) -> float:
        """The lowest number on its way; infinity where there is none."""
        return min(self._by_number, default=math.inf)

    def submissions(self) -> Collection[Submission]:
        return self._by_number.values()
