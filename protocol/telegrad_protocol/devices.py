"""Names of devices, and their indices on the wire: `cpu` is 0, `cuda:k` is k + 1."""

from __future__ import annotations

import re
from typing import Final

from .errors import DeviceError

DEVICE_SHIFT: Final = 8
"""A row's flags carry its device's index from this bit on."""

_CUDA: Final = re.compile(r"cuda(?::(\d{1,3}))?")


class ProcessDevice:
    """The device of what names none: the server's CPU for a client, its own for a worker.

    `most_elements`: the largest tensor that ops may compute with here; one with strides of 0 can exceed any memory.
    """

    device = "cpu"
    most_elements = 1 << 48


def canonical(name: str) -> str:
    """A device's full name. Raises `DeviceError` for a text that names none.

    >>> canonical("cuda")
    'cuda:0'
    """
    if name == "cpu":
        return name
    match = _CUDA.fullmatch(name)
    if match is None:
        raise DeviceError(f"Invalid device string: '{name}'", expected="cpu, cuda or cuda:k", got=name)
    return f"cuda:{int(match[1] or 0)}"


def device_index(name: str) -> int:
    """The index of a device on the wire.

    >>> device_index("cuda:1")
    2
    """
    return 0 if name == "cpu" else int(canonical(name)[5:]) + 1


def device_at(index: int) -> str:
    """The device of an index.

    >>> device_at(1)
    'cuda:0'
    """
    return "cpu" if index == 0 else f"cuda:{index - 1}"
