"""Workers of a DataLoader: processes that load samples into host tensors, without a server."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import queue
import random
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad._runtime.process import stream
from telegrad._tracing.frames import hide_frames

from .hosted import Hosted


class WorkerInfo(NamedTuple):
    """A worker's number, the number of workers, its seed, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """This worker's information; None in the main process."""
    return _info


class Ended(NamedTuple):
    """A worker's result when its part of an iterable data set has no more batches."""


class Failure(NamedTuple):
    """An exception of a worker on its way to the main process."""

    kind: type[BaseException]
    text: str
    worker: int

    def reraise(self) -> None:
        """Raise the same kind of exception, with the worker's traceback in its message."""
        message = Verbatim(
            f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        )
        try:
            error = self.kind(message)
        except TypeError:
            error = RuntimeError(message)
        raise error


class Verbatim(str):
    """A message whose repr is the message: KeyError shows the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


Load = Callable[[Any], Any]


def _work(
    begin: Callable[[], Load], init: Any, info: WorkerInfo, hosted: Hosted | None, tasks: Any, results: Any
) -> None:
    """A worker's main loop: run tasks until None arrives. Each pass over the data set calls `begin` again."""
    global _info
    _info = info
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    stream.seed = info.seed
    if hosted is not None:
        hosted.to_host()
        stream.host_only = True
    present, load, failure = -1, None, None
    try:
        if init is not None:
            init(info.id)
    except Exception as error:  # the main process raises what the user's function raised
        hide_frames(error)
        failure = Failure(type(error), traceback.format_exc(), info.id)
    while (task := _next_task(tasks)) is not None:
        run, number, indices = task
        try:
            if run != present or load is None:
                present, load = run, begin()
            result = failure if failure is not None else load(indices)
        except Exception as error:  # as above: the main process raises it
            hide_frames(error)
            result = Failure(type(error), traceback.format_exc(), info.id)
        results.put(_packed(run, number, result, info))
    results.cancel_join_thread()  # do not wait for results that the main process no longer reads


def _next_task(tasks: Any) -> Any:
    """The next task; None at the end, or if the main process has died."""
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        try:
            return tasks.get(timeout=5.0)
        except queue.Empty:
            continue
    return None


def _packed(run: int, number: int, result: Any, info: WorkerInfo) -> bytes:
    """Pickle a result. The queue's own thread would lose the error of a result that cannot be pickled."""
    try:
        return pickle.dumps((run, number, result), pickle.HIGHEST_PROTOCOL)
    except Exception:  # a user's object or exception class may raise anything
        text = result.text if isinstance(result, Failure) else traceback.format_exc()
        return pickle.dumps((run, number, Failure(RuntimeError, text, info.id)))


_POLL: Final = 1.0
"""Seconds between checks that the workers are alive."""

_GRACE: Final = 2.0
"""Seconds that workers have to end before they are terminated."""


class Pool:
    """Worker processes, each with its own task queue; `run` yields batches in order.

    `begin` makes the function that loads one batch, once per worker and pass over the data set.
    """

    def __init__(
        self,
        begin: Callable[[], Load],
        dataset: Any,
        count: int,
        seed: int,
        init: Any,
        context: Any,
        timeout: float,
        hosted: Hosted,
    ) -> None:
        self._timeout = timeout
        self._run = 0
        process: Any = multiprocessing.get_context(context) if isinstance(context, str | None) else context
        forks = process.get_start_method() == "fork"  # spawned workers get values by pickling
        if forks:
            hosted.fetch(begin, dataset, init)
        self._results = process.Queue()
        self._tasks = [process.Queue() for _ in range(count)]
        self._workers = []
        for i, tasks in enumerate(self._tasks):
            info = WorkerInfo(i, count, seed + i, dataset)
            worker = process.Process(
                target=_work, args=(begin, init, info, hosted if forks else None, tasks, self._results), daemon=True
            )
            worker.start()
            self._workers.append(worker)

    def run(self, batches: Iterator[Any], ahead: int) -> Iterator[Any]:
        """Yield the loaded batches in order; keeps `ahead` tasks per worker in flight."""
        self._run += 1
        self._turn = 0
        active = list(range(len(self._workers)))
        owners: dict[int, int] = {}
        arrived: dict[int, Any] = {}
        for _ in range(ahead * len(active)):
            self._send(batches, active, owners)
        wanted = 0
        while wanted < len(owners):
            while wanted not in arrived:
                number, batch = self._receive()
                arrived[number] = batch
            batch = arrived.pop(wanted)
            if isinstance(batch, Ended) and owners[wanted] in active:
                active.remove(owners[wanted])
            wanted += 1
            self._send(batches, active, owners)
            if isinstance(batch, Failure):
                batch.reraise()
            if not isinstance(batch, Ended):
                yield batch

    def _send(self, batches: Iterator[Any], active: list[int], owners: dict[int, int]) -> None:
        """Send the next batch's indices to the next worker."""
        if not active:
            return
        try:
            indices = next(batches)
        except StopIteration:
            return
        worker = next((i for i in active if i >= self._turn), active[0])
        self._turn = worker + 1
        self._tasks[worker].put((self._run, len(owners), indices))
        owners[len(owners)] = worker

    def _receive(self) -> tuple[int, Any]:
        """The next result of this pass. Raises RuntimeError if a worker died or the time is up."""
        deadline = time.monotonic() + self._timeout if self._timeout else float("inf")
        while True:
            try:
                left = deadline - time.monotonic()
                run, number, batch = pickle.loads(self._results.get(timeout=max(min(_POLL, left), 0.0)))
                if run == self._run:
                    return number, batch
                continue
            except queue.Empty:
                pass
            dead = [worker.pid for worker in self._workers if not worker.is_alive()]
            if dead:
                raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(map(str, dead))}) exited unexpectedly")
            if time.monotonic() >= deadline:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def close(self) -> None:
        """End the workers: removes the tasks that they have not begun, then waits for them."""
        for tasks in self._tasks:
            with contextlib.suppress(queue.Empty):
                while True:
                    tasks.get_nowait()
            tasks.put(None)
        deadline = time.monotonic() + _GRACE
        for worker in self._workers:
            worker.join(max(deadline - time.monotonic(), 0.0))
            if worker.is_alive():
                worker.terminate()
                worker.join()
        for each in (*self._tasks, self._results):
            each.close()
            each.cancel_join_thread()
