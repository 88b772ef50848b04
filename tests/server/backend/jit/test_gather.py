import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import embedding, gather


@pytest.mark.parametrize("n", [0, 1, 5, 40])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_rows_are_added_in_the_order_of_the_index(n, count, dtype, draw, any_threads):
    out, src = draw(7, n), draw(count, n)
    index = np.random.default_rng(0).integers(0, 7, count)
    want = out.copy()
    np.add.at(want, index, src)
    gather.add_rows(out, index, src)
    assert np.array_equal(out, want)


def test_the_gradient_of_an_embedding_leaves_the_padding_row_at_zero(dtype, draw, close):
    torch = pytest.importorskip("torch")
    g, index = draw(20, 9), np.arange(20) % 6
    got = embedding.embedding_backward(g, index, 8, 2)
    table = torch.zeros(8, 9, dtype=getattr(torch, dtype.name), requires_grad=True)
    out = torch.nn.functional.embedding(torch.from_numpy(index), table, padding_idx=2)
    out.backward(torch.from_numpy(g))
    close(got, table.grad.numpy())
    assert not got[2].any()


@pytest.mark.parametrize("bad", [-1, 7, 2**40])
def test_a_row_that_does_not_exist_is_refused_before_anything_is_added(bad, draw):
    out = draw(7, 3)
    before = out.copy()
    with pytest.raises(IndexError, match=r"^index out of range in self$"):
        gather.add_rows(out, np.array([0, bad]), draw(2, 3))
    assert np.array_equal(out, before)
