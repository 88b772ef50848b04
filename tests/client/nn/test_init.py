"""`nn.init`: bounds and deviations by the formulas; the tensor itself is filled, also if it requires grad."""

from __future__ import annotations

import math
from typing import Any

import pytest

SHAPES = {(40, 60): (60, 40), (40, 6, 3, 3): (54, 360), (8, 30, 5): (150, 40)}
"""Shapes with their fan in and fan out."""


@pytest.fixture(autouse=True)
def seed(lib: Any) -> None:
    lib.manual_seed(0)


def leaf(lib: Any, *shape: int) -> Any:
    return lib.full(shape, 9.0, requires_grad=True)


def filled(lib: Any, name: str, *args: Any, shape: tuple[int, ...] = (40, 60), **options: Any) -> Any:
    """What a function fills a leaf with; it gives that leaf."""
    tensor = leaf(lib, *shape)
    assert getattr(lib.nn.init, name)(tensor, *args, **options) is tensor
    assert tensor.is_leaf
    assert tensor.requires_grad
    return tensor.detach()


def extremes(tensor: Any) -> tuple[float, float]:
    return tensor.min().item(), tensor.max().item()


def test_constants(lib: Any) -> None:
    assert filled(lib, "constant_", 2.5, shape=(2,)).tolist() == [2.5, 2.5]
    assert filled(lib, "ones_", shape=(2,)).tolist() == [1.0, 1.0]
    assert filled(lib, "zeros_", shape=(2,)).tolist() == [0.0, 0.0]
    assert filled(lib, "eye_", shape=(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions are supported"):
        lib.nn.init.eye_(lib.zeros(2))


def test_uniform_and_normal(lib: Any) -> None:
    low, high = extremes(filled(lib, "uniform_"))
    assert 0 <= low < 0.05 < 0.95 < high < 1
    low, high = extremes(filled(lib, "uniform_", -3.0, b=-1.0))
    assert -3 <= low < -2.9 < -1.1 < high < -1
    drawn = filled(lib, "normal_")
    assert drawn.mean().item() == pytest.approx(0, abs=0.1)
    assert drawn.std().item() == pytest.approx(1, rel=0.1)
    drawn = filled(lib, "normal_", mean=5.0, std=0.1)
    assert drawn.mean().item() == pytest.approx(5, abs=0.01)
    assert drawn.std().item() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(("a", "b"), [(-2.0, 2.0), (-0.5, 1.0), (1.5, 3.0)])
def test_a_truncated_normal_stays_within(lib: Any, a: float, b: float) -> None:
    low, high = extremes(filled(lib, "trunc_normal_", a=a, b=b))
    assert a <= low < a + 0.1 * (b - a)
    assert b >= high > b - 0.3 * (b - a)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_xavier(lib: Any, shape: tuple[int, ...], gain: float) -> None:
    std = gain * math.sqrt(2 / sum(SHAPES[shape]))
    assert filled(lib, "xavier_normal_", gain, shape=shape).std().item() == pytest.approx(std, rel=0.1)
    drawn = filled(lib, "xavier_uniform_", gain, shape=shape)
    assert drawn.std().item() == pytest.approx(std, rel=0.1)
    assert drawn.abs().max().item() == pytest.approx(std * math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mode", "place"), [("fan_in", 0), ("fan_out", 1)])
@pytest.mark.parametrize(
    ("a", "nonlinearity", "gain"),
    [(0, "leaky_relu", math.sqrt(2)), (1, "leaky_relu", 1.0), (0, "relu", math.sqrt(2)), (0, "linear", 1.0)],
)
def test_kaiming(
    lib: Any, shape: tuple[int, ...], mode: str, place: int, a: float, nonlinearity: str, gain: float
) -> None:
    std = gain / math.sqrt(SHAPES[shape][place])
    drawn = filled(lib, "kaiming_normal_", a, mode, nonlinearity, shape=shape)
    assert drawn.std().item() == pytest.approx(std, rel=0.1)
    drawn = filled(lib, "kaiming_uniform_", a, mode, nonlinearity, shape=shape)
    assert drawn.std().item() == pytest.approx(std, rel=0.1)
    assert drawn.abs().max().item() == pytest.approx(std * math.sqrt(3), rel=0.02)


def test_fans_and_modes_that_do_not_exist(lib: Any) -> None:
    for name in ("xavier_normal_", "xavier_uniform_", "kaiming_normal_", "kaiming_uniform_"):
        with pytest.raises(ValueError, match="Fan in and fan out can not be computed for tensor with fewer than 2"):
            getattr(lib.nn.init, name)(lib.zeros(3))
    with pytest.raises(ValueError, match="Mode fan_of not supported"):
        lib.nn.init.kaiming_normal_(lib.zeros(2, 2), mode="fan_of")


def test_nothing_is_filled_where_there_are_no_elements(lib: Any) -> None:
    for name in ("kaiming_normal_", "kaiming_uniform_"):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            filled(lib, name, shape=(0, 3))


def test_gains(lib: Any) -> None:
    gain = lib.nn.init.calculate_gain
    ones = ["linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose3d"]
    assert {name: gain(name) for name in ones} == dict.fromkeys(ones, 1)
    assert (gain("tanh"), gain("relu"), gain("selu")) == (5 / 3, math.sqrt(2), 0.75)
    assert gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert gain("leaky_relu", 3) == math.sqrt(0.2)
    with pytest.raises(ValueError, match="Unsupported nonlinearity nothing"):
        gain("nothing")
    with pytest.raises(ValueError, match=r"negative_slope .* not a valid number"):
        gain("leaky_relu", "steep")


def test_a_generator_decides(lib: Any) -> None:
    for name in (
        *("uniform_", "normal_", "trunc_normal_"),
        *("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"),
    ):
        first, again, other = (
            filled(lib, name, generator=lib.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)
        )
        assert first == again != other
