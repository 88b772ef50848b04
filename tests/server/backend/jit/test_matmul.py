import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import _jit, matmul

SHAPES = [(256, 31, 70), (5, 40, 300), (130, 9, 1), (1, 1, 1), (0, 3, 4), (3, 0, 4)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(matmul, "PIECE", 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turned", [False, True])
def test_a_product_and_its_bias_follow_the_definition(shape, turned, dtype, draw, close, any_threads):
    m, k, n = shape
    a, b, bias = draw(m, k), draw(n, k).T if turned else draw(k, n), draw(n)
    want = np.einsum("mk,kn->mn", a.astype("f8"), b.astype("f8"))
    close(matmul.product(a, b), want, slack=10)
    close(matmul.product(a, b, bias), want + bias, slack=10)


@pytest.mark.parametrize("batch", [(7,), (4, 3), (0,), (1, 2)])
def test_products_in_pairs_follow_the_definition(batch, dtype, draw, close, any_threads):
    a, b = draw(*batch, 5, 6), draw(*batch, 8, 6).swapaxes(-1, -2)
    close(matmul.products(a, b), np.einsum("...mk,...kn->...mn", a.astype("f8"), b.astype("f8")), slack=10)


def test_a_product_is_the_same_for_any_number_of_threads(draw):
    before, found = _jit.threads(), []
    a, b = draw(512, 300), draw(300, 200)
    for count in (1, 2, 3):
        _jit.set_threads(count)
        found.append(matmul.product(a, b).tobytes())
    _jit.set_threads(before)
    assert len(set(found)) == 1
