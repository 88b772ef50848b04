"""Values on their way: uploads, reads, values for another device, and the copies to and from shared memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from telegrad_protocol.errors import Malformed, TelegradError
from telegrad_server.channel.requests import Request

from .memory import Budget
from .tensor import Tensor


class Upload:
    """A tensor's bytes on their way in, admitted by the budget before the first of them.

    `buffer` is memory of the device that becomes the tensor's own; `ready` tells when it may be written to. Raises
    `OutOfMemory` if the device has not so much.
    """

    def __init__(self, xp: Any, nbytes: int, budget: Budget) -> None:
        self.nbytes = nbytes
        self.budget: Budget | None = budget
        self.error: TelegradError | None = None
        self.done = False
        budget.check(nbytes, "upload")
        budget.take(nbytes)
        try:
            with xp.active():
                self.buffer = xp.upload_buffer(nbytes)
                self.ready = xp.record_event()
        except BaseException as error:
            self.release()
            if isinstance(error, MemoryError):
                raise budget.exhausted("upload") from None
            raise

    @classmethod
    def failed(cls, xp: Any, budget: Budget, error: TelegradError) -> Upload:
        """An upload that will not come; the row that takes it fails with the error."""
        upload = cls(xp, 0, budget)
        upload.fail(error)
        return upload

    def fetch(self, xp: Any, offset: int, source: memoryview) -> Any:
        """Begin to copy bytes to their place. The returned event is done once `source` is free again."""
        if offset + len(source) > self.nbytes:
            raise Malformed(f"a piece ends at byte {offset + len(source)} of an upload of {self.nbytes}")
        return xp.copy_in(self.buffer, offset, source, self.ready)

    def release(self) -> None:
        """Hand the admitted memory over to the tensor, or back."""
        if self.budget is not None:
            self.budget.give(self.nbytes)
            self.budget = None

    def fail(self, error: TelegradError) -> None:
        """Give the memory back; the row that takes the upload fails with the error."""
        self.release()
        self.error, self.done = error, True


class Read:
    """A value that is being fetched. It keeps its bytes, even if the tensor is written meanwhile."""

    __slots__ = ("data", "meta", "ready", "storage")

    def __init__(self, xp: Any, tensor: Tensor) -> None:
        self.data = tensor.data
        self.meta = tensor._meta
        self.ready = xp.record_event()
        self.storage = tensor.storage.memory
        self.storage.pins = (*self.storage.pins, self)

    def put(self, xp: Any, offset: int, target: memoryview) -> Any:
        """Begin to copy bytes out. The returned event is done once they are in `target`."""
        return xp.copy_out(self.data, offset, target, self.ready)

    def release(self) -> None:
        """End the read: writes need not copy for it any more."""
        self.storage.pins = tuple(read for read in self.storage.pins if read is not self)


class Sent(NamedTuple):
    """A value that leaves for another device: the front fetches the read of that id, and uploads it there."""

    id: int
    device: str
    nbytes: int


class Copy(NamedTuple):
    """A copy under way: its request, the event of its end, and the upload or read that must live until then."""

    request: Request
    end: Any
    held: Upload | Read


class Copies:
    """Copies that the device makes while this thread goes on. They end in the order in which they began."""

    def __init__(self) -> None:
        self._under_way: deque[Copy] = deque()

    def __bool__(self) -> bool:
        return bool(self._under_way)

    def begun(self, request: Request, end: Any, held: Upload | Read) -> None:
        """Note a copy that ends with the event `end`."""
        self._under_way.append(Copy(request, end, held))

    def ended(self) -> Iterator[tuple[Request, Exception | None]]:
        """The requests whose copies have ended since the last call, each with its error or None."""
        while self._under_way:
            try:
                if not self._under_way[0].end.done:
                    return
                error = None
            except Exception as failure:  # the device has failed, for one
                error = failure
            yield self._under_way.popleft().request, error
