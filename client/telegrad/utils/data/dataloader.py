"""Batches of a data set, loaded in this process or by workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple

from telegrad._api import creation as creation
from telegrad._api.deferred_numbers import plain
from telegrad._api.overloads import joining
from telegrad._tensor import Tensor
from telegrad._tracing.frames import iterated
from telegrad.random import Generator, draw_seed
from telegrad_protocol import dtypes

from .dataset import Dataset, IterableDataset, T, TensorDataset
from .hosted import Hosted
from .sampler import BatchSampler, RandomSampler, SequentialSampler
from .worker import Ended, Pool


def default_collate(batch: Sequence[Any]) -> Any:
    """Combine samples into a batch of the same structure: stacks tensors and arrays, makes a tensor of numbers.

    >>> import telegrad as tg
    >>> tg.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    first = plain(batch[0])
    if isinstance(first, Tensor):
        return joining.stack(list(batch))
    if hasattr(first, "__array__"):
        return joining.stack([creation.as_tensor(item) for item in batch])
    if isinstance(first, float):
        return creation.tensor(list(batch), dtype=dtypes.float64)
    if isinstance(first, int):
        return creation.tensor(list(batch))
    if isinstance(first, str | bytes):
        return list(batch)
    return _collate_container(first, batch)


def _collate_container(first: Any, batch: Sequence[Any]) -> Any:
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch, strict=True)]
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first).__name__}"
    )


def _same(sample: Any) -> Any:
    return sample


class Samples(NamedTuple):
    """Loads batches of a data set, here or in a worker. `batch_size` is None for single samples."""

    dataset: Any
    collate: Callable[[Any], Any]
    iterable: bool
    batch_size: int | None
    drop_last: bool

    def begin(self) -> Callable[[Any], Any]:
        """The function that loads one batch: by indices, or the next of an iterable data set, then `Ended`."""
        if not self.iterable:
            return self.load
        batches = self.batches()
        return lambda _: next(batches, Ended())

    def load(self, indices: Any) -> Any:
        """The batch of these indices, or one sample."""
        if self.batch_size is None:
            return self.collate(self.dataset[indices])
        if type(self.dataset) is TensorDataset and self.collate is default_collate:
            rows = self.dataset.rows(indices)
            if rows is not None:
                return rows
        if hasattr(self.dataset, "__getitems__"):
            return self.collate(self.dataset.__getitems__(indices))
        return self.collate([self.dataset[i] for i in indices])

    def batches(self) -> Iterator[Any]:
        """The batches of an iterable data set."""
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate(batch)


class DataLoader(Generic[T]):
    """Iterates over a data set in batches.

    Workers, forked or spawned, handle host tensors only. A worker's exception is raised here, with its traceback. Each
    worker iterates over a whole iterable data set, which selects its part by `get_worker_info()`. `pin_memory` changes
    nothing, as in PyTorch without an accelerator.
    """

    def __init__(
        self,
        dataset: Dataset[T],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        self._check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        self._iterable = isinstance(dataset, IterableDataset)
        self._check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset: Any = dataset
        self.num_workers, self.timeout = num_workers, timeout
        self.worker_init_fn, self.generator, self.pin_memory = worker_init_fn, generator, pin_memory
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler: Any = sampler
        if batch_sampler is None and batch_size is not None and not self._iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler: Any = batch_sampler
        self.collate_fn = collate_fn or (_same if batch_size is None else default_collate)
        self._samples = Samples(dataset, self.collate_fn, self._iterable, batch_size, drop_last)
        self._pool: Pool | None = None
        self._hosted = Hosted()

    def _check_workers(self, count: int, timeout: float, prefetch: int | None, persistent: bool, context: Any) -> None:
        if count < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if count == 0 and prefetch is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing.")
        if prefetch is not None and prefetch < 1:
            raise ValueError(f"prefetch_factor option should be at least 1, got {prefetch}")
        if count == 0 and (persistent or timeout or context is not None):
            raise ValueError("persistent_workers, timeout and multiprocessing_context options need num_workers > 0")

    def _check_order(
        self, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        if self._iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("an IterableDataset has its own order: expected no shuffle, sampler or batch_sampler")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, drop_last")
        if batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")

    def __len__(self) -> int:
        if self._iterable:
            count = len(self.dataset)
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)

    def __iter__(self) -> Iterator[Any]:
        seed = draw_seed(self.generator)
        order: Iterator[Any]
        if self._iterable:
            order = itertools.repeat(None)
        else:
            order = iter(self.batch_sampler if self.batch_sampler is not None else self.sampler)
        if self.num_workers:
            return iterated(self._with_workers(order, seed))
        return iterated(self._samples.batches() if self._iterable else map(self._samples.load, order))

    def _with_workers(self, order: Iterator[Any], seed: int) -> Iterator[Any]:
        pool = self._pool
        if pool is None:
            begin, context, init = self._samples.begin, self.multiprocessing_context, self.worker_init_fn
            pool = Pool(begin, self.dataset, self.num_workers, seed, init, context, self.timeout, self._hosted)
        if self.persistent_workers:
            self._pool = pool
        try:
            yield from pool.run(order, self.prefetch_factor or 2)
        except BaseException:
            self._pool = None
            pool.close()
            raise
        if not self.persistent_workers:
            pool.close()

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.close()
