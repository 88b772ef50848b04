"""Tensors print as PyTorch's do: known texts always, and hundreds of generated ones where torch is installed."""

import math

import numpy as np
import pytest

from telegrad._api.printing import (
    format_scalar,
    format_tensor,
    get_printoptions,
    printoptions,
    set_printoptions,
    summary_slices,
)

F32 = np.float32
NAN, INF = math.nan, math.inf

# values, keyword arguments of format_tensor, what PyTorch prints
GOLDEN = [
    (F32(1.5), {}, "tensor(1.5000)"),
    (F32(3), {}, "tensor(3.)"),
    (F32(-0.0), {}, "tensor(-0.)"),
    (F32(NAN), {}, "tensor(nan)"),
    (F32(1e10), {}, "tensor(1.0000e+10)"),
    (np.int64(7), {}, "tensor(7)"),
    (np.bool_(True), {}, "tensor(True)"),
    (np.array([1.0, -2.5, 3.0], F32), {}, "tensor([ 1.0000, -2.5000,  3.0000])"),
    (np.array([1.0, -2.0, 30.0], F32), {}, "tensor([ 1., -2., 30.])"),
    (np.array([1, NAN, INF, -INF], F32), {}, "tensor([1., nan, inf, -inf])"),
    (np.array([1.5, NAN, INF, -INF], F32), {}, "tensor([1.5000,    nan,    inf,   -inf])"),
    (np.array([0.0, NAN], F32), {}, "tensor([0., nan])"),
    (np.array([1e-5, 0, 1], F32), {}, "tensor([1.0000e-05, 0.0000e+00, 1.0000e+00])"),
    (np.array([1e-100, -1e200]), {"dtype": "float64"}, "tensor([ 1.0000e-100, -1.0000e+200], dtype=torch.float64)"),
    (np.array([1, 2000], F32), {}, "tensor([1.0000e+00, 2.0000e+03])"),
    (np.array([1, 1000], F32), {}, "tensor([   1., 1000.])"),
    (np.array([1, -22, 333]), {}, "tensor([  1, -22, 333])"),
    (np.array([1, 2], np.int32), {}, "tensor([1, 2], dtype=torch.int32)"),
    (np.array([True, False]), {}, "tensor([ True, False])"),
    (np.array([0.5, 65504], np.float16), {}, "tensor([5.0000e-01, 6.5504e+04], dtype=torch.float16)"),
    (np.array([0.1001], F32), {"dtype": "bfloat16"}, "tensor([0.1001], dtype=torch.bfloat16)"),
    (np.array([0.5]), {"default_dtype": "float64"}, "tensor([0.5000])"),
    (np.array([0.5], F32), {"default_dtype": "float64"}, "tensor([0.5000], dtype=torch.float32)"),
    (np.zeros(0, F32), {}, "tensor([])"),
    (np.zeros((0, 3), F32), {}, "tensor([], size=(0, 3))"),
    (np.zeros(0, np.int64), {}, "tensor([], dtype=torch.int64)"),
    (np.zeros((2, 0), bool), {"requires_grad": False}, "tensor([], size=(2, 0), dtype=torch.bool)"),
    (np.array([[1, 2], [3, 4]]), {}, "tensor([[1, 2],\n        [3, 4]])"),
    (np.array([[[1], [2]], [[3], [4]]]), {}, "tensor([[[1],\n         [2]],\n\n        [[3],\n         [4]]])"),
    (np.array([1.0], F32), {"requires_grad": True}, "tensor([1.], requires_grad=True)"),
    (F32(2), {"grad_fn": "<AddBackward0>", "requires_grad": True}, "tensor(2., grad_fn=<AddBackward0>)"),
    (np.array([1], np.uint8), {"device": "cuda:0"}, "tensor([1], device='cuda:0', dtype=torch.uint8)"),
    (
        np.arange(8, dtype=F32) / 8,
        {"grad_fn": "<DivBackward0>"},
        "tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750],\n       grad_fn=<DivBackward0>)",
    ),
    (
        np.arange(1001),
        {},
        "tensor([   0,    1,    2,  ...,  998,  999, 1000])",
    ),
    (
        np.arange(2000, dtype=F32).reshape(1000, 2),
        {},
        "tensor([[0.0000e+00, 1.0000e+00],\n"
        "        [2.0000e+00, 3.0000e+00],\n"
        "        [4.0000e+00, 5.0000e+00],\n"
        "        ...,\n"
        "        [1.9940e+03, 1.9950e+03],\n"
        "        [1.9960e+03, 1.9970e+03],\n"
        "        [1.9980e+03, 1.9990e+03]])",
    ),
    (
        np.zeros((7, 2, 200), F32),
        {"dtype": "bfloat16"},
        "tensor([[[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]],\n\n"
        "        [[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]],\n\n"
        "        [[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]],\n\n"
        "        ...,\n\n"
        "        [[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]],\n\n"
        "        [[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]],\n\n"
        "        [[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "         [0., 0., 0.,  ..., 0., 0., 0.]]], dtype=torch.bfloat16)",
    ),
]


def show(values, **given):
    values = np.asarray(values)
    return format_tensor(values, **{"dtype": values.dtype.name, **given})


def edges(values):
    """What a caller fetches of a long tensor."""
    for axis, pieces in enumerate(summary_slices(values.shape)):
        values = np.concatenate([np.moveaxis(values, axis, 0)[piece] for piece in pieces])
        values = np.moveaxis(values, 0, axis)
    return values


@pytest.mark.parametrize(("values", "given", "text"), GOLDEN, ids=[text[:40] for _, _, text in GOLDEN])
def test_a_tensor_prints_as_known(values, given, text):
    assert show(values, **given) == text


def test_an_indented_print_is_the_same_text_further_right():
    values = np.arange(40).reshape(2, 20)
    text = show(values, prefix="Weight", indent=4)
    first, *others = text.splitlines()
    assert first == "Weight([[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16,"
    assert all(line.startswith(" " * (4 + len("Weight(["))) for line in others)
    assert max(len(line) for line in [" " * 4 + first, *others]) <= 80


class TestOptions:
    def test_profiles_change_all_and_arguments_override_them(self):
        with printoptions():
            set_printoptions(profile="short", linewidth=100)
            assert get_printoptions() == {
                "precision": 2,
                "threshold": 1000,
                "edgeitems": 2,
                "linewidth": 100,
                "sci_mode": None,
            }
            set_printoptions(profile="full")
            assert (get_printoptions()["threshold"], get_printoptions()["linewidth"]) == (math.inf, 80)

    def test_notation_returns_to_automatic_when_it_is_not_given(self):
        with printoptions(sci_mode=True):
            assert show(F32(2)) == "tensor(2.0000e+00)"
            set_printoptions(precision=1)
            assert show(F32(2.5)) == "tensor(2.5)"

    def test_a_block_restores_what_was_even_when_it_fails(self):
        before = get_printoptions()
        with pytest.raises(ZeroDivisionError), printoptions(precision=1, edgeitems=1, sci_mode=False):
            raise ZeroDivisionError
        assert get_printoptions() == before

    def test_no_edges_leave_only_dots_and_the_size(self):
        with printoptions(edgeitems=0, threshold=2):
            assert show(np.zeros((3, 4), F32)) == "tensor([...], size=(3, 4))"
            assert show(np.zeros(5, F32)) == "tensor([...], size=(5,))"

    @pytest.mark.parametrize("wrong", [{"profile": "long"}, {"precision": -1}, {"edgeitems": -1}])
    def test_what_cannot_be_printed_is_refused_and_changes_nothing(self, wrong):
        before = get_printoptions()
        with pytest.raises(ValueError, match=next(iter(wrong))):
            set_printoptions(**wrong)
        assert get_printoptions() == before


class TestSummary:
    def test_short_tensors_need_every_element(self):
        assert summary_slices((10, 100)) == ((slice(0, 10),), (slice(0, 100),))
        assert summary_slices(()) == ()

    def test_long_tensors_need_the_ends_of_long_dimensions(self):
        assert summary_slices((6, 8000)) == ((slice(0, 6),), (slice(0, 3), slice(7997, 8000)))

    @pytest.mark.parametrize("shape", [(), (5,), (0, 3), (5000,), (9, 2, 300), (6, 6, 6, 6), (7, 7, 7, 7)])
    def test_the_edges_alone_print_the_same(self, shape):
        values = np.random.default_rng(0).normal(size=shape).astype(F32)
        assert show(edges(values), shape=shape) == show(values)

    def test_other_elements_than_the_edges_are_refused(self):
        with pytest.raises(ValueError, match=r"shape \(5000,\) prints elements of shape \(6,\), got \(7,\)"):
            show(np.zeros(7), shape=(5000,))


def test_a_scalar_formats_as_its_number():
    assert format_scalar(np.array(1.7, F32), ".3f") == "1.700"
    assert format_scalar(np.float32(1.7), "") == "1.7000000476837158"
    assert format_scalar(np.array(12), "04d") == "0012"
    assert format_scalar(True, "") == "True"
    with pytest.raises(ValueError, match="Unknown format code 'd'"):
        format_scalar(1.5, "d")


# Generated cases -----------------------------------------------------------------------------------------

SHAPES = [(), (1,), (7,), (40,), (1001,), (3, 4), (2, 30), (0,), (0, 3), (2, 0, 4), (2, 3, 4), (9, 150), (150, 9)]
SHAPES += [(1, 1, 1, 1), (2, 2, 3, 2), (6, 6, 6, 6), (8, 1, 150), (2, 8, 7, 12)]
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
OPTIONS = [
    {},
    {"precision": 2, "linewidth": 40},
    {"threshold": 20, "edgeitems": 2},
    {"sci_mode": True},
    {"sci_mode": False, "precision": 0},
    {"edgeitems": 0, "threshold": 10},
    {"profile": "full"},
    {"linewidth": 5, "profile": "short"},
]


def draw(rng, shape):
    """float64 values of one of many magnitudes, some of them integral, with zeros and non-finite ones."""
    values = rng.normal(size=shape) * 10.0 ** rng.integers(-6, 10)
    if rng.random() < 0.3:
        values = values * 10.0 ** rng.uniform(-3, 3, size=shape)
    if rng.random() < 0.5:
        values = np.round(values)
    for special in (0.0, -0.0, NAN, INF, -INF):
        if rng.random() < 0.3:
            values = np.where(rng.random(shape) < 0.3, special, values)
    return np.asarray(values)


def drawn_tensor(torch, rng):
    dtype = str(rng.choice(DTYPES))
    values = torch.from_numpy(draw(rng, SHAPES[rng.integers(len(SHAPES))]))
    if not getattr(torch, dtype).is_floating_point:
        values = values.nan_to_num(0, 100, -100).clamp(-(2**40), 2**40).to(torch.int64)
    return values.to(getattr(torch, dtype))


@pytest.mark.oracle
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_generated_tensors_print_as_in_pytorch(options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(OPTIONS.index(options))
    for _ in range(60):
        tensor = drawn_tensor(torch, rng)
        dtype = str(tensor.dtype).removeprefix("torch.")
        values = (tensor.float() if dtype == "bfloat16" else tensor).numpy()
        given = {"dtype": dtype, "shape": values.shape}
        if tensor.is_floating_point() and rng.random() < 0.5:
            tensor.requires_grad_()
            given["requires_grad"] = True
            if rng.random() < 0.5:
                tensor, given["grad_fn"] = tensor * 1, "<MulBackward0>"
        with torch._tensor_str.printoptions(**options), printoptions(**options):
            assert format_tensor(values, **given) == repr(tensor)
            assert format_tensor(edges(values), **given) == repr(tensor)


@pytest.mark.oracle
def test_options_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for options in OPTIONS:
        with torch._tensor_str.printoptions(**options), printoptions(**options):
            assert get_printoptions() == torch._tensor_str.get_printoptions()


@pytest.mark.oracle
@pytest.mark.parametrize("spec", ["", ".3f", "8.2e", "+", ">12", "d"])
def test_scalars_format_as_in_pytorch(spec):
    torch = pytest.importorskip("torch")
    for tensor in (torch.tensor(1.7), torch.tensor(1.7, dtype=torch.float16), torch.tensor(3), torch.tensor(True)):
        try:
            expected = format(tensor, spec)
        except ValueError as refusal:
            with pytest.raises(ValueError, match=str(refusal)):
                format_scalar(tensor.numpy(), spec)
        else:
            assert format_scalar(tensor.numpy(), spec) == expected
