"""Local changes of recorded calls, which take effect together with the rows, or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class Change:
    """A local change that a call makes beside its rows: both take effect, or neither.

    `apply` and `undo` set what they set to fixed values, so that they may be called again. Whether the rows count is
    decided once: by the sender, which takes them, or by the call, which was interrupted. `lasting`: stays when an
    earlier row has failed.
    """

    __slots__ = ("_fate", "apply", "lasting", "undo")

    def __init__(self, apply: Callable[[], None], undo: Callable[[], None], *, lasting: bool = False) -> None:
        self.apply = apply
        self.undo = undo
        self.lasting = lasting
        self._fate: dict[str, bool] = {}

    def counts(self, wanted: bool = True) -> bool:
        """Whether its rows count; the first call decides."""
        return self._fate.setdefault("counts", wanted)

    def enqueue(self, items: deque[Any], rows: list[Any]) -> None:
        """Apply the change and put its rows, which carry it, on the queue."""
        try:
            self.apply()
            items.extend(rows)
        except BaseException:
            (self.apply if self.counts(False) else self.undo)()
            raise

    def roll_back(self) -> None:
        """Undo the change, once: the server skips its rows, and may say so again after others have been recorded."""
        self._fate.setdefault("counts", True)
        if not self.lasting and not self._fate.get("undone"):
            self.undo()
            self._fate["undone"] = True
