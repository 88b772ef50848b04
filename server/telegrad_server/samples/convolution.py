"""Samples of convolution, transposed convolution, and their patches."""

from __future__ import annotations

from .base import T, sample

sample("conv1d", T(2, 3, 7), T(4, 3, 3), T(4))
sample("conv1d", T(3, 7), T(4, 3, 3), None, 2, 1)
sample("conv1d", T(2, 4, 9), T(6, 2, 3), T(6), 1, "same", 2, 2)
sample("conv2d", T(2, 3, 5, 6), T(4, 3, 3, 3), T(4))
sample("conv2d", T(2, 3, 5, 6), T(4, 3, 3, 2), T(4), (2, 1), (1, 0), (1, 2))
sample("conv2d", T(2, 4, 5, 6), T(4, 1, 3, 3), None, 1, 1, 1, 4)
# PyTorch warns of the copy that an even window needs.
sample("conv2d", T(3, 5, 6), T(4, 3, 2, 3), T(4), 1, "same", oracle=False)
sample("conv2d", T(2, 3, 5, 6), T(4, 3, 1, 1), T(4), padding="valid")
sample("conv2d", T(0, 3, 5, 6), T(4, 3, 3, 3), T(4))
sample("conv2d", T(1, 2, 4, 4, dtype="bfloat16"), T(2, 2, 3, 3, dtype="bfloat16"), T(2, dtype="bfloat16"))
sample("conv3d", T(2, 3, 4, 5, 4), T(4, 3, 2, 3, 2), T(4))
sample("conv3d", T(2, 5, 5, 4), T(4, 2, 3, 3, 2), T(4), (2, 1, 1), (1, 1, 0), (1, 2, 1))
sample("conv3d", T(1, 4, 4, 4, 4), T(4, 2, 2, 2, 2), None, groups=2)
sample("conv_transpose1d", T(2, 3, 5), T(3, 4, 3), T(4), 2, 1, 1)
sample("conv_transpose2d", T(2, 3, 4, 5), T(3, 4, 3, 2), T(4))
sample("conv_transpose2d", T(3, 4, 5), T(3, 4, 3, 3), T(4), 2, 1, 1)
sample("conv_transpose2d", T(2, 4, 4, 5), T(4, 3, 3, 3), None, (2, 1), 0, 0, 2, (1, 2))
sample("conv_transpose1d", T(2, 3, 4), T(3, 4, 2), T(4), 2, 3, 2, 1, 3)
sample("conv_transpose2d", T(1, 2, 3, 4), T(2, 3, 2, 2), None, (2, 1), (2, 0), (2, 1), 1, (3, 2))
sample("conv_transpose3d", T(2, 3, 3, 2, 3), T(3, 2, 2, 3, 2), T(2), 2)
sample("_conv", T(2, 3, 5, 6), T(4, 3, 3, 3), T(4), (1, 1), (1, 1), (1, 1), 1, oracle=False)
geometry = ((2, 1), (1, 0), (1, 2), 1)
sample("_conv_input_grad", T(2, 4, 3, 4), T(4, 3, 3, 2), (2, 3, 5, 6), *geometry, oracle=False)
sample("_conv_weight_grad", T(2, 4, 3, 4), T(2, 3, 5, 6), (4, 3, 3, 2), *geometry, oracle=False)
sample("unfold", T(2, 3, 5, 6), (2, 3))
sample("unfold", T(3, 5, 6), 3, 1, 1, 2)
sample("fold", T(2, 12, 12), (4, 5), (2, 2))
sample("fold", T(12, 9), (5, 4), 2, 1, 1, 2)
