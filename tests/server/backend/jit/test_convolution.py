import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import convolution

# x, w, stride, padding, dilation, groups
CASES = {
    "3x3": ((2, 3, 9, 8), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "many positions": ((3, 2, 12, 11), (5, 2, 3, 2), (1, 1), (0, 2), (1, 1), 1),
    "strided": ((2, 3, 19, 17), (4, 3, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    "uneven": ((2, 2, 13, 15), (3, 2, 2, 4), (2, 3), (2, 1), (2, 1), 1),
    "groups": ((2, 4, 10, 9), (6, 2, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": ((2, 5, 9, 9), (10, 1, 3, 3), (1, 1), (1, 1), (2, 2), 5),
    "pointwise": ((2, 6, 9, 8), (4, 6, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "pointwise groups": ((3, 6, 9, 8), (4, 3, 1, 1), (1, 1), (0, 0), (1, 1), 2),
    "pointwise strided": ((2, 6, 9, 8), (4, 6, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "few positions": ((5, 4, 4, 4), (6, 2, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "one position": ((5, 4, 3, 3), (6, 4, 3, 3), (1, 1), (0, 0), (1, 1), 1),
    "one dimension": ((2, 3, 1, 90), (4, 3, 1, 5), (1, 2), (0, 2), (1, 1), 1),
    "no images": ((0, 3, 9, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
}


def convolve(x, w, stride, padding, dilation, groups):
    """The definition, one tap at a time; also the framed input and the taps, for the gradients."""
    n, _, *size = x.shape
    o, per_group, *window = w.shape
    pads = [(p, p) for p in padding]
    framed = np.pad(x, [(0, 0), (0, 0), *pads])
    axes = zip(size, window, stride, padding, dilation, strict=True)
    oh, ow = ((m + 2 * p - d * (k - 1) - 1) // s + 1 for m, k, s, p, d in axes)
    out = np.zeros((n, o, oh, ow))
    views = []
    for i, j in np.ndindex(*window):
        top, left = i * dilation[0], j * dilation[1]
        rows, cols = slice(top, top + stride[0] * oh, stride[0]), slice(left, left + stride[1] * ow, stride[1])
        patch = framed[:, :, rows, cols][:, :, :oh, :ow]
        for f in range(o):
            first = f // (o // groups) * per_group
            out[:, f] += np.einsum("ncyx,c->nyx", patch[:, first : first + per_group], w[f, :, i, j])
            views.append((i, j, f, first, rows, cols))
    return out, framed, views


def gradients(g, x, w, stride, padding, dilation, groups):
    _, framed, views = convolve(x, w, stride, padding, dilation, groups)
    gx, gw, (oh, ow) = np.zeros_like(framed), np.zeros_like(w), g.shape[2:]
    for i, j, f, first, rows, cols in views:
        part = slice(first, first + w.shape[1])
        gw[f, :, i, j] = np.einsum("ncyx,nyx->c", framed[:, part, rows, cols][:, :, :oh, :ow], g[:, f])
        gx[:, part, rows, cols][:, :, :oh, :ow] += g[:, None, f] * w[f, :, i, j][:, None, None]
    top, left = padding
    return gx[:, :, top : top + x.shape[2], left : left + x.shape[3]], gw


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolution_and_its_gradients_follow_the_definition(case, dtype, draw, close, any_threads, monkeypatch):
    # Blocks of about two images, so that the cases have several.
    for name in ("BLOCK_BYTES", "MERGED_BYTES"):
        monkeypatch.setattr(convolution, name, 30_000)
    x, w, bias, options = draw(*case[0]), draw(*case[1]), draw(case[1][0]), case[2:]
    out = convolution.conv2d_forward(x, w, bias, *options)
    want, _, _ = convolve(x.astype("f8"), w.astype("f8"), *options)
    close(out, want + bias[:, None, None], slack=5)
    close(convolution.conv2d_forward(x, w, None, *options), want, slack=5)
    g = draw(*out.shape)
    gx, gw = gradients(*(a.astype("f8") for a in (g, x, w)), *options)
    close(convolution.conv2d_input_grad(g, w, x.shape, *options), gx, slack=10)
    close(convolution.conv2d_weight_grad(g, x, w.shape, *options), gw, slack=20)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolution_and_its_gradients_agree_with_pytorch(case, dtype, draw, close):
    torch = pytest.importorskip("torch")
    x, w, bias, options = draw(*case[0]), draw(*case[1]), draw(case[1][0]), case[2:]
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, w, bias)]
    want = torch.nn.functional.conv2d(*tensors, *options)
    out = convolution.conv2d_forward(x, w, bias, *options)
    close(out, want.detach().numpy(), slack=5)
    g = draw(*out.shape)
    want.backward(torch.from_numpy(g))
    close(convolution.conv2d_input_grad(g, w, x.shape, *options), tensors[0].grad.numpy(), slack=10)
    close(convolution.conv2d_weight_grad(g, x, w.shape, *options), tensors[1].grad.numpy(), slack=20)
