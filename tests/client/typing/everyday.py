"""What a newcomer writes in the first days; it has to pass strict type checkers, and to run."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import telegrad as torch
import telegrad.nn.functional as F
from telegrad import nn, optim
from telegrad.nn import functional
from telegrad.optim.lr_scheduler import CosineAnnealingLR, StepLR
from telegrad.utils.data import DataLoader, Dataset, TensorDataset, random_split

# Tensors ----------------------------------------------------------------------------------------------------------

torch.manual_seed(0)
device: torch.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
kind: torch.dtype = torch.float32

t = torch.tensor([1.0, 2.0, 3.0])
u = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=kind, device=device)
ids = torch.tensor([0, 1, 1], dtype=torch.long)
zeros = torch.zeros(2, 3)
ones = torch.ones((2, 3), dtype=torch.float64)
noise = torch.randn(2, 3, requires_grad=True)
steps = torch.arange(0, 10, 2)
line = torch.linspace(0, 1, 5)
chosen = torch.randint(0, 10, (4,))
from_array = torch.from_numpy(np.arange(3))
full = torch.full((2, 2), 7)
like = torch.zeros_like(u)

numbers: list[torch.Tensor] = [
    2 * t,
    t / 3,
    t @ u.T,
    t**2,
    1 - t,
    -t,
    t // 2,
    t % 2,
    2**t,
    1 / t,
    abs(t),
    t + np.ones(3),
]
masks: list[torch.Tensor] = [t == 2, t != 2, t > 1, t <= u, (t > 1) & (t < 3), ~(t > 1)]
parts: list[torch.Tensor] = [t[0], t[-1], t[1:], u[:, 0], u[..., None], u[0, 1:], t[t > 1], u[ids[:2]], u[[0, 1]]]
changed: list[torch.Tensor] = [
    u.view(3, 2),
    u.view((3, 2)),
    u.reshape(-1),
    u.permute(1, 0),
    u.t(),
    u.unsqueeze(0).squeeze(0),
    u.flatten(),
    u.expand(2, 3),
    u.repeat(2, 1),
    u.float().double().long().to(torch.float32),
    u.to(device),
    u.to("cpu", torch.float64),
    u.cpu().detach().clone().contiguous(),
    u.transpose(0, 1),
]
u[0] = 1.0
u[:, 1] = t[:2]
t += 1
t.add_(1).mul_(2).clamp_(min=0)

shape: torch.Size = u.shape
rows: int = u.size(0)
height, width = u.shape
count: int = u.numel() + u.dim() + u.ndim + u.shape[0] + len(u)
value: float = u.sum().item()
pairs = u.max(dim=1)
largest: torch.Tensor = pairs.values
places: torch.Tensor = pairs.indices
best, where_best = u.max(dim=1)
top, order = torch.topk(u, k=2, dim=1)
in_order, old_places = u.sort(descending=True)
sums: list[torch.Tensor] = [
    u.sum(),
    u.sum(dim=1, keepdim=True),
    u.mean(0),
    u.std(),
    u.max(),
    u.argmax(dim=-1),
    u.prod(),
]
joined = torch.cat([u, u], dim=0)
stacked = torch.stack((t, t))
halves = torch.chunk(joined, 2)
first_half: torch.Tensor = halves[0]
cleaned = torch.where(u > 2, u, 0.0)
product = torch.einsum("ij,kj->ik", u, u)
same: bool = torch.allclose(u, u) and torch.equal(u, u)
array: np.ndarray = u.numpy()
listed: list[list[float]] = u.tolist()
scaled = torch.exp(-u).sqrt().log().clamp(min=-1.0, max=1.0)
total = 0.0
for row in u:
    total += row.sum().item()
if (u > 0).all():
    total += math.sqrt(float(u[0, 0]))
names = ["a", "b", "c"]
print(f"{value:.3f} {names[int(ids[0])]} {names[ids[1].item()]} {u.shape} {u.dtype} {u.device}")

# Autograd ---------------------------------------------------------------------------------------------------------

w = torch.randn(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for _ in range(3):
    loss = ((torch.ones(4, 3) @ w + b - 1) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for parameter in (w, b):
            grad = parameter.grad
            assert grad is not None
            parameter -= 0.1 * grad
            grad.zero_()
(slope,) = torch.autograd.grad((w**2).sum(), w)
(other_slope,) = torch.autograd.grad((w**2).sum(), [w], create_graph=True)


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]]) -> float:
    """The share of right answers."""
    model.eval()
    right, seen = 0, 0
    for x, y in loader:
        right += (model(x).argmax(dim=1) == y).sum().item()
        seen += y.size(0)
    return right / seen


# Models -----------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.gelu(self.fc1(self.norm(x)))
        return x + self.scale * self.dropout(self.fc2(h))


class Net(nn.Module):
    mask: torch.Tensor

    def __init__(self, inputs: int, width: int, classes: int, depth: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, width)
        self.first = nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)
        self.register_buffer("mask", torch.tril(torch.ones(width, width)))
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        x = self.first(x) @ self.mask
        if index is not None:
            x = x + self.embed(index)
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(x))


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((1, 8, 8), float(index)), index % 3


# Training ---------------------------------------------------------------------------------------------------------


def infinitely(loader: DataLoader[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from loader


data = TensorDataset(torch.randn(40, 4), torch.randint(0, 3, (40,)))
train_part, test_part = random_split(data, [30, 10], generator=torch.Generator().manual_seed(1))
train_loader = DataLoader(train_part, batch_size=10, shuffle=True)
test_loader = DataLoader(test_part, batch_size=5)
model = Net(4, 8, 3).to(device)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
scheduler = CosineAnnealingLR(optimizer, T_max=10)
history: list[float] = []
for epoch in range(2):
    model.train()
    for x, y in train_loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        history.append(loss.item())
    scheduler.step()
    print(epoch, f"{history[-1]:.4f}", scheduler.get_last_lr()[0], accuracy(model, test_loader))
batch, answers = next(infinitely(train_loader))
probabilities = F.softmax(model(batch), dim=-1)
drawn = torch.multinomial(probabilities, num_samples=1).squeeze(1)
logits = functional.log_softmax(model(batch), dim=-1)
loss = F.nll_loss(logits, answers) + F.mse_loss(probabilities, torch.zeros_like(probabilities), reduction="mean")

state = model.state_dict()
copy = Net(4, 8, 3)
copy.load_state_dict(state)
size = sum(p.numel() for p in copy.parameters() if p.requires_grad)
for name, weights in copy.named_parameters():
    if name.endswith("bias"):
        weights.data.fill_(0)

cnn = nn.Sequential(
    nn.Conv2d(1, 4, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 4 * 4, 3)
)
sgd = optim.SGD(cnn.parameters(), lr=0.1, momentum=0.9)
halving = StepLR(sgd, step_size=1, gamma=0.5)
for pictures, labels in DataLoader(Pictures(6), batch_size=3):
    loss = F.cross_entropy(cnn(pictures), labels)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
halving.step()
