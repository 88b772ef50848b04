"""`torch.device`: where a tensor lives."""

from __future__ import annotations

import re


class device:
    """Where a tensor lives: `cpu` or `cuda:0`, on the server.

    >>> import telegrad as tg
    >>> tg.device("cpu").type
    'cpu'
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, name: str | device | int, index: int | None = None) -> None:
        if isinstance(name, device):
            self.type, self.index = name.type, name.index
            return
        text = f"cuda:{name}" if isinstance(name, int) else name
        if not text:
            raise RuntimeError("Device string must not be empty")
        if re.fullmatch(r"[a-zA-Z_]+(:(0|[1-9][0-9]*))?", text) is None:
            raise RuntimeError(f"Invalid device string: '{text}'")
        kind, _, number = text.partition(":")
        if kind not in ("cpu", "cuda"):
            raise RuntimeError(f"Expected one of cpu, cuda device type at start of device string: {kind}")
        self.type = kind
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))
