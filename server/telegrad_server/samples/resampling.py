"""Samples of images and volumes in another size."""

from __future__ import annotations

from .base import T, sample

for mode, image in (("nearest", (2, 3, 5)), ("nearest-exact", (2, 3, 5, 4)), ("trilinear", (1, 2, 3, 4, 3))):
    sample("_interpolate", T(*image), (7, 6, 5)[: len(image) - 2], None, mode, False, oracle=False)
for corners in (False, True):
    sample("_interpolate", T(2, 3, 4, 5), (7, 3), None, "bilinear", corners, oracle=False)
sample("_interpolate", T(2, 3, 5), (11,), (2.3,), "linear", False, oracle=False)
