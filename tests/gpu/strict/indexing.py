"""Reading and writing elements by index, with the checks that the device does not make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .rules import StrictError

if TYPE_CHECKING:
    from .array import ndarray


def get(array: ndarray, key: Any) -> ndarray:
    """`array[key]`: a view, or a copy where the key holds arrays. A mask waits for the device: how many are true?"""
    places, advanced = resolve(array, key, "mask indexing")
    if not advanced:
        whole = places if any(place is Ellipsis for place in places) else (*places, ...)
        return array._view(array._a[whole])
    return array.functions.fresh(array._reach()[places], "?")


def put(array: ndarray, key: Any, value: Any) -> None:
    """`array[key] = value`. Of two values for one element nobody knows which stays."""
    if not isinstance(value, type(array)) and not is_number(value):
        raise ValueError(f"non-scalar numpy.ndarray cannot be used for fill: {type(value)}")
    number = is_number(value) or not value.ndim
    places, advanced = resolve(array, key, None if number else "mask assignment")
    if advanced and not number and value.size > 1:
        refuse_duplicates(array, places)
    values = value if is_number(value) else value._reach()
    array._reach()[places] = values


def resolve(array: ndarray, key: Any, mask_waits: str | None) -> tuple[tuple[Any, ...], bool]:
    """The key in NumPy's arrays, and whether there are any."""
    items = key if isinstance(key, tuple) else (key,)
    places = tuple([_place(array, item, mask_waits) for item in items])
    advanced = any(isinstance(place, np.ndarray | bool | np.bool_) for place in places)
    if any(isinstance(place, np.ndarray) and place.dtype.kind in "iu" for place in places):
        _check_bounds(array.shape, places)
    return places, advanced


def _place(array: ndarray, item: Any, mask_waits: str | None) -> Any:
    if isinstance(item, type(array)):
        if item.dtype == bool:
            if mask_waits is not None:
                array.machine.sync(mask_waits)
        elif item.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer or boolean type")
        return item._reach()
    if isinstance(item, slice):
        return slice(*[_bound(array, bound) for bound in (item.start, item.stop, item.step)])
    if isinstance(item, np.ndarray | list | tuple):
        raise TypeError(f"an index of {type(item)} is uploaded silently")
    return item


def _bound(array: ndarray, bound: Any) -> Any:
    """A slice's bound; one on the device is fetched."""
    if not isinstance(bound, type(array)):
        return bound
    array.machine.sync("slice bound")
    return int(bound._reach())


def _check_bounds(shape: tuple[int, ...], places: tuple[Any, ...]) -> None:
    """CuPy wraps what is out of bounds around, silently."""
    taken = sum(place.ndim if _is_mask(place) else place is not None for place in places if place is not Ellipsis)
    axis = 0
    for place in places:
        if place is Ellipsis:
            axis += len(shape) - taken
        elif _is_mask(place):
            axis += place.ndim
        elif place is not None:
            if isinstance(place, np.ndarray):
                refuse_outside(place, shape[axis])
            axis += 1


def _is_mask(place: Any) -> bool:
    return isinstance(place, np.ndarray) and place.dtype == bool


def refuse_outside(index: np.ndarray, size: int) -> None:
    if index.size and not -size <= index.min() <= index.max() < size:
        raise StrictError(f"indices from {index.min()} to {index.max()} of an axis of {size}: CuPy wraps them around")


def refuse_duplicates(array: ndarray, places: tuple[Any, ...]) -> None:
    numbers = np.arange(array.size).reshape(array.shape)[places]
    if len(np.unique(numbers)) < numbers.size:
        raise StrictError("an element is assigned twice: which value stays is undefined")


def is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | complex | np.generic)
