"""Sizes that several modules share; `source` writes those for CUDA into the code that it compiles."""

from __future__ import annotations

from typing import Final

ROWS_PER_PART: Final = 64
"""Layer norm adds up the gradient of its weight over so many rows at a time, then over these parts in order."""

THREADS_PER_BLOCK: Final = 256
"""Threads of a block at most, a power of two: reductions halve them."""

TENSORS_PER_LAUNCH: Final = 48
"""Parameters that one launch of an optimizer updates at most: a kernel's arguments have room for so many."""

ELEMENTS_PER_BLOCK: Final = 1 << 12
"""Elements of one parameter that one block of an optimizer updates."""

CUDA: Final = {
    "ROWS_PER_PART": ROWS_PER_PART,
    "THREADS_PER_BLOCK": THREADS_PER_BLOCK,
    "TENSORS_PER_LAUNCH": TENSORS_PER_LAUNCH,
    "ELEMENTS_PER_BLOCK": ELEMENTS_PER_BLOCK,
}
