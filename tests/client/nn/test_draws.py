"""From the same seed, every layer and draw leaves the generator as PyTorch's leaves it, and has PyTorch's values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.inprocess import LocalSession
from support.oracle import calls, evaluate, plain

import telegrad as tg
from telegrad._runtime.process import stream

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore:Initializing zero-element")]


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


CALLS = """
nn.Linear(3, 4)
nn.Linear(3, 4, bias=False)
nn.Linear(3, 0)
nn.Linear(3, 4, dtype=t.float64)
nn.Linear(3, 4, dtype=t.float16)
nn.Linear(2, 2).eval()
nn.Bilinear(2, 3, 4)
nn.Bilinear(2, 3, 4, bias=False)
nn.Conv1d(2, 4, 3)
nn.Conv1d(2, 4, 3, bias=False)
nn.Conv2d(2, 4, 3, groups=2, padding="same")
nn.Conv2d(3, 4, 2, dtype=t.bfloat16)
nn.Conv3d(2, 4, 3)
nn.ConvTranspose1d(2, 4, 3)
nn.ConvTranspose2d(2, 4, 3, bias=False, groups=2)
nn.ConvTranspose3d(2, 4, 3)
nn.Embedding(5, 3)
nn.Embedding(5, 3, padding_idx=1)
nn.Embedding.from_pretrained(t.zeros(4, 3))
nn.Embedding.from_pretrained(t.zeros(4, 3), freeze=False, padding_idx=0)
nn.Embedding(4, 3, _weight=t.zeros(4, 3))
nn.BatchNorm1d(3)
nn.BatchNorm2d(3)
nn.LayerNorm(3)
nn.GroupNorm(1, 2)
nn.RMSNorm(3)
nn.PReLU(3)
nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
nn.Dropout(0.5)(t.ones(5))
nn.Dropout(0.5).eval()(t.ones(5))
nn.Dropout(0.0)(t.ones(5))
nn.Dropout(1.0)(t.ones(5))
nn.Dropout2d(0.5)(t.ones(2, 3, 2, 2))
nn.Dropout2d(1.0)(t.ones(2, 3, 2, 2))
F.dropout(t.ones(0), 0.5)
F.dropout(t.ones(3), 0.5, False)
F.scaled_dot_product_attention(t.ones(1, 2, 2), t.ones(1, 2, 2), t.ones(1, 2, 2), dropout_p=0.5)
nn.init.normal_(t.zeros(3, 4))
nn.init.uniform_(t.zeros(3, 4))
nn.init.xavier_normal_(t.zeros(3, 4))
nn.init.xavier_uniform_(t.zeros(3, 4))
nn.init.kaiming_normal_(t.zeros(3, 4))
nn.init.kaiming_uniform_(t.zeros(3, 4))
nn.init.eye_(t.zeros(3, 4))
t.zeros(3)
t.rand(0)
t.randn(0)
t.randn(17)
t.randint(3, (0,))
t.randperm(5)
t.randperm(0)
t.randperm(1)
t.bernoulli(t.full((3,), 0.5))
t.multinomial(t.ones(4), 2)
t.multinomial(t.ones(4), 2, replacement=True)
t.ones(3).exponential_()
t.ones(3).random_()
t.ones(3).bernoulli_()
t.ones(3).bernoulli_(t.full((3,), 0.3))
t.rand_like(t.ones(3))
t.randint_like(t.ones(3), 5)
[list(t.utils.data.DataLoader([1, 2, 3], shuffle=True))]
[list(t.utils.data.DataLoader([1, 2, 3]))]
[list(part) for part in t.utils.data.random_split([1, 2, 3], [1, 2])]
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_seed_gives_torchs_values_and_leaves_its_state(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    found = []
    for lib in (tg, torch):
        lib.manual_seed(3)
        made = evaluate(lib, line)
        values = [plain(p) for p in made.parameters()] if hasattr(made, "parameters") else plain(made)
        found.append((values, lib.get_rng_state().tolist()))
    assert found[0] == found[1]
