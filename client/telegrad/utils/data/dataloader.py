"""Batches out of a data set, in this process or by workers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from telegrad import _composites as composites
from telegrad import _creation as creation
from telegrad.tensor import Tensor
from telegrad_protocol import dtypes

from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from .worker import Pool


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one form as a batch of that form: tensors and arrays stacked, numbers as a tensor.

    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return composites.stack(list(batch))
    if hasattr(first, "__array__"):
        return composites.stack([creation.as_tensor(item) for item in batch])
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


def _load(dataset: Any, collate: Callable[[Any], Any], batched: bool, indices: Any) -> Any:
    """One batch by its indices."""
    return collate([dataset[i] for i in indices]) if batched else collate(dataset[indices])


class DataLoader:
    """Iterates over a data set in batches.

    Workers, forked or spawned, handle host tensors only. `pin_memory` has nothing to pin on this side and, as in
    PyTorch without an accelerator, changes nothing.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        self._check(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.worker_init_fn, self.generator, self.pin_memory = worker_init_fn, generator, pin_memory
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable and (shuffle or sampler is not None or batch_sampler is not None or num_workers):
            raise ValueError("an IterableDataset has its own order: no shuffle, sampler or workers")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, drop_last")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None and not self._iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        batched = batch_sampler is not None or (self._iterable and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if batched else _same)
        self._pool: Pool | None = None

    def _check(self, num_workers: int, timeout: float, prefetch: int | None, persistent: bool) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing.")
        if num_workers == 0 and persistent:
            raise ValueError("persistent_workers option needs num_workers > 0")

    def __len__(self) -> int:
        if self._iterable:
            count = len(self.dataset)
            return count if self.batch_size is None else -(-count // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)

    def __iter__(self) -> Iterator[Any]:
        seed = draw_seed(self.generator)
        if self._iterable:
            return self._iterate()
        order = iter(self.batch_sampler if self.batch_sampler is not None else self.sampler)
        load = functools.partial(_load, self.dataset, self.collate_fn, self.batch_sampler is not None)
        return map(load, order) if self.num_workers == 0 else self._with_workers(load, order, seed)

    def _with_workers(self, load: Any, order: Iterator[Any], seed: int) -> Iterator[Any]:
        pool = self._pool
        if pool is None:
            context = self.multiprocessing_context
            pool = Pool(load, self.dataset, self.num_workers, seed, self.worker_init_fn, context, self.timeout)
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

    def _iterate(self) -> Iterator[Any]:
        batch: list[Any] = []
        for sample in self.dataset:
            if self.batch_size is None:
                yield self.collate_fn(sample)
                continue
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.close()
