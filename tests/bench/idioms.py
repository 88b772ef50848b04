"""What training scripts write every day, in PyTorch's words, once for both libraries.

Each function gets the module that stands for torch, makes what it needs, and gives the idiom as a function that is
timed. `IDIOMS` says how many steps, or what else, one call has, and how many round trips each may wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Run = Callable[[], Any]
STEPS = 40
"""Steps of one call."""

ONCE = 1 / STEPS
"""Round trips a step of what waits once in all."""


class Idiom(NamedTuple):
    """`build(torch)` gives a function that does it `count` times.

    `trips`: round trips that each may take; `deferred`: under deferred metrics, if that is of interest. `times_torch`: how
    many times torch's own time it may take on loopback.
    """

    build: Callable[[Any], Run]
    count: int
    per: str
    trips: float
    deferred: float | None = None
    times_torch: float | None = None


class Training:
    """A small classifier, its optimizer, data that never change, and a step."""

    def __init__(self, torch: Any) -> None:
        torch.manual_seed(0)
        nn = torch.nn
        self.torch = torch
        self.model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        rng = np.random.default_rng(0)
        self.x = torch.tensor(rng.standard_normal((64, 20), dtype=np.float32))
        self.y = torch.tensor(rng.integers(0, 5, 64))

    def loss(self) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(self.x), self.y)

    def step(self, before_step: Callable[[], Any] = lambda: None) -> Any:
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        before_step()
        self.optimizer.step()
        return loss


def each_step(use: Callable[[Training, Any, int], Any]) -> Callable[[Any], Run]:
    """A training loop that does something with the loss of every step."""

    def build(torch: Any) -> Run:
        training = Training(torch)

        def run() -> None:
            for i in range(STEPS):
                use(training, training.step(), i)

        return run

    return build


# Data -------------------------------------------------------------------------------------------------------------


def lecture_batch(torch: Any) -> Run:
    data, size = torch.tensor(np.random.default_rng(0).integers(0, 65, 10_000)), 8

    def run() -> None:
        for _ in range(STEPS):
            ix = torch.randint(len(data) - size, (32,))
            torch.stack([data[i : i + size] for i in ix])
            torch.stack([data[i + 1 : i + size + 1] for i in ix])

    return run


def loader_epoch(torch: Any) -> Run:
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(512, 20), torch.randint(0, 5, (512,)))
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)

    def run() -> Any:
        return [x.shape for x, _ in loader]

    return run


# Values -------------------------------------------------------------------------------------------------------------


def iteration(torch: Any) -> Run:
    y = torch.randn(64) * 2

    def run() -> Any:
        return [float(v) for v in (y + 1)[:10]]

    return run


def state_dict(tensors: int) -> Callable[[Any], Run]:
    def build(torch: Any) -> Run:
        model = torch.nn.Sequential(*[torch.nn.Linear(4, 4) for _ in range(tensors // 2)])

        def run() -> Any:
            with torch.no_grad():
                for p in model.parameters():
                    p.mul_(1.01)
            return {name: value.numpy() for name, value in model.state_dict().items()}

        return run

    return build


def norms(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        training.step()
        return [p.grad.norm().item() for p in training.model.parameters()]

    return run


def confusion(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        counts = np.zeros((5, 5), int)
        predicted = training.model(training.x).argmax(1)
        for wanted, found in zip(training.y[:16], predicted[:16], strict=True):
            counts[int(wanted), int(found)] += 1
        return counts

    return run


# Metrics ------------------------------------------------------------------------------------------------------------


def running_loss(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        total = 0.0
        for _ in range(STEPS):
            total += training.step().item()
        return f"{total / STEPS:.4f}"

    return run


def mean_of_losses(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        return np.mean([training.step().item() for _ in range(STEPS)])

    return run


def mean_of_tensors(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        return torch.stack([training.step().detach() for _ in range(STEPS)]).mean().item()

    return run


def accuracy(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        found = []
        for _ in range(STEPS):
            training.step()
            found.append((training.model(training.x).argmax(1) == training.y).float().mean().item())
        return sum(found) / len(found)

    return run


def evaluation(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        correct, seen, total = 0, 0, 0.0
        with torch.no_grad():
            for _ in range(STEPS):
                output = training.model(training.x)
                total += torch.nn.functional.cross_entropy(output, training.y).item() * len(training.y)
                correct += (output.argmax(dim=1) == training.y).sum().item()
                seen += training.y.size(0)
        return f"loss {total / seen:.4f} accuracy {100 * correct / seen:.1f} %"

    return run


def early_stopping(torch: Any) -> Run:
    training = Training(torch)

    def run() -> Any:
        best, patience = math.inf, 0
        for _ in range(4):
            for _ in range(10):
                training.step()
            with torch.no_grad():
                validation = training.loss().item()
            patience = 0 if validation < best else patience + 1
            best = min(best, validation)
            if patience > 10:
                break
        return best

    return run


def plateau(torch: Any) -> Run:
    training = Training(torch)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(training.optimizer, patience=100)

    def run() -> None:
        for _ in range(4):
            for _ in range(10):
                loss = training.step()
            scheduler.step(loss)

    return run


def printing_every_10(training: Training, loss: Any, i: int) -> Any:
    return f"step {i}: loss {loss.item():.4f}" if i % 10 == 9 else None


# Steps -------------------------------------------------------------------------------------------------------------


def clipping(torch: Any) -> Run:
    training = Training(torch)

    def clip() -> None:
        torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)

    def run() -> None:
        for _ in range(STEPS):
            training.step(clip)

    return run


def scaler(torch: Any) -> Run:
    training = Training(torch)
    scaler = torch.amp.GradScaler("cpu")

    def run() -> None:
        for _ in range(STEPS):
            training.optimizer.zero_grad()
            scaler.scale(training.loss()).backward()
            scaler.step(training.optimizer)
            scaler.update()

    return run


def averaging(torch: Any) -> Run:
    training = Training(torch)
    averages = [p.detach().clone() for p in training.model.parameters()]

    def run() -> None:
        for _ in range(STEPS):
            training.step()
            with torch.no_grad():
                for average, p in zip(averages, training.model.parameters(), strict=True):
                    average.mul_(0.99).add_(p, alpha=0.01)

    return run


# Generation -----------------------------------------------------------------------------------------------------------


def generation(show: Callable[[Any], Any]) -> Callable[[Any], Run]:
    def build(torch: Any) -> Run:
        torch.manual_seed(0)
        table = torch.nn.Embedding(65, 65)

        def run() -> Any:
            tokens = torch.zeros((1, 1), dtype=torch.long)
            shown = []
            for _ in range(STEPS):
                probabilities = torch.nn.functional.softmax(table(tokens)[:, -1, :], dim=-1)
                found = torch.multinomial(probabilities, num_samples=1)
                tokens = torch.cat((tokens, found), dim=1)
                shown.append(show(found))
            return tokens[0].tolist() if shown[0] is None else shown

        return run

    return build


def is_better(best: list[Any]) -> Callable[[Training, Any, int], Any]:
    def look(training: Training, loss: Any, i: int) -> None:
        if loss < best[0]:
            best[0] = loss.detach()

    return look


CHARACTERS = "".join(map(chr, range(40, 105)))

IDIOMS: dict[str, Idiom] = {
    "a batch by randint, slices and stack": Idiom(lecture_batch, STEPS, "batch", 0, times_torch=2.0),
    "a shuffled DataLoader's epoch": Idiom(loader_epoch, 1, "epoch", 1, times_torch=2.0),
    "[float(v) for v in y[:10]]": Idiom(iteration, 1, "loop", 1),
    "a state dict of 4 tensors to NumPy": Idiom(state_dict(4), 1, "model", 2),
    "a state dict of 100 tensors to NumPy": Idiom(state_dict(100), 1, "model", 2),
    "the norms of 4 gradients": Idiom(norms, 1, "loop", 2, deferred=1),
    "a confusion matrix, int(v) of 32 elements": Idiom(confusion, 1, "loop", 2),
    "total += loss.item()": Idiom(running_loss, STEPS, "step", 1, deferred=ONCE),
    'f"{loss:.4f}"': Idiom(each_step(lambda _, loss, i: f"{loss:.4f}"), STEPS, "step", 1),
    "if loss < best": Idiom(each_step(is_better([math.inf])), STEPS, "step", 1),
    "isnan(loss).any()": Idiom(
        each_step(lambda training, loss, i: bool(training.torch.isnan(loss).any())), STEPS, "step", 1
    ),
    "loss.detach().cpu().numpy()": Idiom(each_step(lambda _, loss, i: loss.detach().cpu().numpy()), STEPS, "step", 1),
    "np.mean(losses)": Idiom(mean_of_losses, STEPS, "step", 1, deferred=ONCE),
    "stack(losses).mean()": Idiom(mean_of_tensors, STEPS, "step", ONCE),
    "accuracy of each batch": Idiom(accuracy, STEPS, "step", 1, deferred=ONCE),
    "an evaluation loop": Idiom(evaluation, STEPS, "step", 2, deferred=ONCE),
    "early stopping": Idiom(early_stopping, 4, "epoch", 1, deferred=1),
    "ReduceLROnPlateau": Idiom(plateau, 4, "epoch", 1),
    "printing every 10 steps": Idiom(each_step(printing_every_10), STEPS, "step", 0.1, deferred=0.1),
    "clip_grad_norm_": Idiom(clipping, STEPS, "step", 0),
    "GradScaler": Idiom(scaler, STEPS, "step", 1),
    "an average of the weights": Idiom(averaging, STEPS, "step", 0),
    "generation": Idiom(generation(lambda found: None), STEPS, "token", ONCE),
    "generation, each token printed": Idiom(
        generation(lambda found: CHARACTERS[found.item()]), STEPS, "token", 1, deferred=1
    ),
}
