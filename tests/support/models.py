"""The models that tests and benchmarks train, written once for PyTorch and for telegrad.

Each `build(torch)` takes the module that stands for torch, and gives the model, its optimizer and a function that
computes the loss of one batch; `batch(rng)` makes the arrays of one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]


class Model(NamedTuple):
    build: Callable[[Any], tuple[Any, Any, Callable[..., Any]]]
    batch: Callable[[np.random.Generator], Arrays]


def _classify(torch: Any, model: Any) -> Callable[[Any, Any], Any]:
    return lambda x, y: torch.nn.functional.cross_entropy(model(x), y)


def build_mlp(torch: Any) -> Any:
    """784-512-512-10, Adam."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), _classify(torch, model)


def mlp_batch(rng: np.random.Generator) -> Arrays:
    return rng.standard_normal((128, 784), dtype=np.float32), rng.integers(0, 10, 128)


def build_cnn(torch: Any) -> Any:
    """1 to 32 to 64 channels on 28x28 images, SGD with momentum."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), _classify(torch, model)


def cnn_batch(rng: np.random.Generator) -> Arrays:
    return rng.standard_normal((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64)


class Sizes(NamedTuple):
    """Of a GPT."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    batch: int


def _gpt_classes(torch: Any, sizes: Sizes) -> Any:
    nn = torch.nn
    functional = nn.functional
    width = sizes.width

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = self.qkv(self.first(x)).split(width, dim=2)
            q, k, v = (z.view(b, t, sizes.heads, c // sizes.heads).transpose(1, 2) for z in (q, k, v))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
            return x + self.down(functional.gelu(self.up(self.second(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(sizes.vocabulary, width), nn.Embedding(sizes.context, width)
            self.blocks = nn.ModuleList([Block() for _ in range(sizes.layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, sizes.vocabulary, bias=False)

        def forward(self, tokens: Any) -> Any:
            x = self.token(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return GPT


def gpt(sizes: Sizes) -> Model:
    """A GPT of these sizes, AdamW."""

    def build(torch: Any) -> Any:
        model = _gpt_classes(torch, sizes)()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

        def loss(x: Any, y: Any) -> Any:
            return torch.nn.functional.cross_entropy(model(x).view(-1, sizes.vocabulary), y.view(-1))

        return model, optimizer, loss

    def batch(rng: np.random.Generator) -> Arrays:
        tokens = rng.integers(0, sizes.vocabulary, (sizes.batch, sizes.context + 1))
        return np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:])

    return Model(build, batch)


def build_lstm(torch: Any) -> Any:
    """A cell of 64 units, written out, over 16 steps of 32 numbers, Adam."""
    nn = torch.nn

    class LSTM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gates, self.head = nn.Linear(32 + 64, 4 * 64), nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            h = c = x.new_zeros(x.shape[0], 64)
            for step in range(x.shape[1]):
                i, f, g, o = self.gates(torch.cat([x[:, step], h], 1)).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return self.head(h)

    model = LSTM()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), _classify(torch, model)


def lstm_batch(rng: np.random.Generator) -> Arrays:
    return rng.standard_normal((32, 16, 32), dtype=np.float32), rng.integers(0, 10, 32)


def build_tiny(torch: Any) -> Any:
    """8-16-4, Adam."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), _classify(torch, model)


def tiny_batch(rng: np.random.Generator) -> Arrays:
    return rng.standard_normal((16, 8), dtype=np.float32), rng.integers(0, 4, 16)


def build_characters(torch: Any) -> Any:
    """8 characters of 24 dimensions each, 200 hidden units, 27 classes, AdamW."""
    nn = torch.nn
    model = nn.Sequential(nn.Embedding(27, 24), nn.Flatten(), nn.Linear(8 * 24, 200), nn.Tanh(), nn.Linear(200, 27))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3), _classify(torch, model)


def characters_batch(rng: np.random.Generator) -> Arrays:
    return rng.integers(0, 27, (32, 8)), rng.integers(0, 27, 32)


MODELS = {
    "mlp": Model(build_mlp, mlp_batch),
    "cnn": Model(build_cnn, cnn_batch),
    "gpt": gpt(Sizes(vocabulary=65, context=64, width=128, heads=4, layers=4, batch=16)),
    "characters": Model(build_characters, characters_batch),
    # For GPUs, and for their rehearsal.
    "lstm": Model(build_lstm, lstm_batch),
    "gpt-768": gpt(Sizes(vocabulary=32_000, context=512, width=768, heads=12, layers=12, batch=8)),
    "tiny": Model(build_tiny, tiny_batch),
    "gpt-tiny": gpt(Sizes(vocabulary=11, context=8, width=16, heads=2, layers=1, batch=2)),
}


def train(torch: Any, name: str, steps: int, dtype: str = "float32", seed: int = 0) -> tuple[list[float], Any]:
    """Losses of some steps from a seed, and the model."""
    torch.manual_seed(seed)
    built = MODELS[name].build(torch)
    return [float(loss) for loss in step_losses(torch, name, built, steps, dtype)], built[0]


def step_losses(
    torch: Any, name: str, built: Any, steps: int, dtype: str = "float32", part: Any = np.s_[:]
) -> list[Any]:
    """The losses of some steps on (a part of) four batches in turn, as tensors: none is read."""
    model, optimizer, loss_of = built
    model.to(getattr(torch, dtype))
    rng = np.random.default_rng(0)
    data = [[torch.tensor(in_dtype(array[part], dtype)) for array in MODELS[name].batch(rng)] for _ in range(4)]
    losses = []
    for step in range(steps):
        loss = loss_of(*data[step % 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def in_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers in a floating dtype; classes and characters as they are."""
    return array.astype(dtype) if array.dtype.kind == "f" else array
