"""Workers of a DataLoader: processes that load samples into host tensors, which never touch the server."""

from __future__ import annotations

import multiprocessing
import queue
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class WorkerInfo(NamedTuple):
    """Which worker a process is: its number, how many there are, its seed, its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Which worker this process is; None in the main process."""
    return _info


class Failure(NamedTuple):
    """An exception of a worker on its way to the main process."""

    kind: type[BaseException]
    text: str
    worker: int

    def reraise(self) -> None:
        """Raise the same kind of exception, with the worker's traceback in its message."""
        message = f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        try:
            error = self.kind(message)
        except TypeError:
            error = RuntimeError(message)
        raise error


def _work(load: Callable[[Any], Any], init: Any, info: WorkerInfo, tasks: Any, results: Any) -> None:
    """A worker's life: load what comes, until None does."""
    global _info
    _info = info
    try:
        if init is not None:
            init(info.id)
        failure = None
    except Exception as error:  # whatever the user's function raises belongs to the main process
        failure = Failure(type(error), traceback.format_exc(), info.id)
    while (task := tasks.get()) is not None:
        number, indices = task
        try:
            results.put((number, failure if failure is not None else load(indices)))
        except Exception as error:  # as above: the main process raises it
            results.put((number, Failure(type(error), traceback.format_exc(), info.id)))


class Pool:
    """Workers, each with a queue of its own; batches come back in order."""

    def __init__(
        self, load: Callable[[Any], Any], dataset: Any, count: int, seed: int, init: Any, context: Any, timeout: float
    ) -> None:
        self._timeout = timeout
        process: Any = multiprocessing.get_context(context) if isinstance(context, str | None) else context
        self._results = process.Queue()
        self._tasks = [process.Queue() for _ in range(count)]
        self._workers = []
        for i, tasks in enumerate(self._tasks):
            info = WorkerInfo(i, count, seed + i, dataset)
            worker = process.Process(target=_work, args=(load, init, info, tasks, self._results), daemon=True)
            worker.start()
            self._workers.append(worker)

    def run(self, batches: Iterator[Any], ahead: int) -> Iterator[Any]:
        """The loaded batches in order, `ahead` of them under way per worker."""
        sent = 0
        arrived: dict[int, Any] = {}
        for _ in range(ahead * len(self._workers)):
            sent += self._send(sent, batches)
        wanted = 0
        while wanted < sent:
            while wanted not in arrived:
                number, batch = self._receive()
                arrived[number] = batch
            batch = arrived.pop(wanted)
            wanted += 1
            sent += self._send(sent, batches)
            if isinstance(batch, Failure):
                batch.reraise()
            yield batch

    def _send(self, number: int, batches: Iterator[Any]) -> int:
        batch = next(batches, None)
        if batch is None:
            return 0
        self._tasks[number % len(self._tasks)].put((number, batch))
        return 1

    def _receive(self) -> Any:
        waited = 0.0
        while True:
            try:
                return self._results.get(timeout=1.0)
            except queue.Empty:
                waited += 1.0
            dead = [worker.pid for worker in self._workers if not worker.is_alive()]
            if dead:
                raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(map(str, dead))}) exited unexpectedly")
            if self._timeout and waited >= self._timeout:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def close(self) -> None:
        """Let the workers end."""
        for tasks in self._tasks:
            tasks.put(None)
        for worker in self._workers:
            worker.join(5.0)
            if worker.is_alive():
                worker.terminate()
                worker.join()
        for each in (*self._tasks, self._results):
            each.close()
            each.cancel_join_thread()
