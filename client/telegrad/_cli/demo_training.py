"""`telegrad demo`: a CNN learns real images through a server, and a picture shows what came out."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from tqdm import tqdm

import telegrad as tg
from telegrad import nn
from telegrad.utils.data import DataLoader, TensorDataset

FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

CLOTHES = "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()


class Images(NamedTuple):
    """A data set: images (n, 1, h, w) in [0, 1], labels, and the names of the classes."""

    name: str
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: list[str]


def load_digits() -> Images:
    """The 1,797 digits that scikit-learn ships (8x8), every fifth of them for the test."""
    from sklearn import datasets

    digits = datasets.load_digits()
    images = (digits.images[:, None] / 16.0).astype(np.float32)
    labels = digits.target.astype(np.int64)
    test = np.arange(len(labels)) % 5 == 0
    return Images("digits", (images[~test], labels[~test]), (images[test], labels[test]), list("0123456789"))


def load_fashion() -> Images:
    """Fashion-MNIST from Debian's package: 60,000 and 10,000 images of clothes, 28x28."""
    pairs = []
    for part in ("train", "t10k"):
        with gzip.open(FASHION / f"{part}-images-idx3-ubyte.gz") as file:
            images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28)
        with gzip.open(FASHION / f"{part}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read()[8:], np.uint8)
        pairs.append(((images / 255.0).astype(np.float32), labels.astype(np.int64)))
    return Images("Fashion-MNIST", pairs[0], pairs[1], CLOTHES)


class CNN(nn.Module):
    """Two convolutions with batch norm and pooling, then two linear layers."""

    def __init__(self, side: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, classes)
        )

    def forward(self, images: Any) -> Any:
        return self.head(self.features(images))


def train(model: CNN, data: Images, epochs: int, batch: int) -> list[float]:
    """Train with AdamW; the loss of every step. Reading them does not hold the loop up."""
    loader = DataLoader(
        TensorDataset(tg.tensor(data.train[0]), tg.tensor(data.train[1])), batch_size=batch, shuffle=True
    )
    optimizer = tg.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    pending = []
    model.train()
    with tqdm(total=epochs * len(loader), unit="step", desc="training") as bar:
        for _ in range(epochs):
            for images, labels in loader:
                loss = nn.functional.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                pending.append(loss.detach().read())
                if len(pending) % 20 == 0:
                    bar.set_postfix(loss=f"{float(pending[-1].result()):.3f}")
                bar.update()
    return [float(future.result()) for future in pending]


def predict(model: CNN, images: np.ndarray, batch: int = 500) -> np.ndarray:
    """The class that the model gives each image."""
    model.eval()
    with tg.no_grad():
        parts = [model(tg.tensor(images[i : i + batch])).argmax(1).read() for i in range(0, len(images), batch)]
    return np.concatenate([part.result() for part in parts])


def draw(data: Images, losses: list[float], guesses: np.ndarray, accuracy: float, path: Path) -> None:
    """A picture: the loss curve beside a grid of test images with what the model took them for."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(12, 5.2), layout="constrained")
    panels: Any = figure.subfigures(1, 2, width_ratios=[1, 1.25])
    left, right = panels
    axes = left.subplots()
    axes.plot(losses, color="0.8", linewidth=0.8, label="each step")
    window = max(1, len(losses) // 40)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(np.arange(len(smooth)) + window - 1, smooth, color="tab:blue", label=f"mean of {window} steps")
    axes.set(xlabel="step", ylabel="cross entropy", yscale="log", title=f"{data.name}: training loss")
    axes.legend()
    images, labels = data.test
    right.suptitle(f"test accuracy {accuracy:.1%} on {len(labels):,} images; mistakes in red")
    picked = np.linspace(0, len(labels) - 1, 32).astype(int)
    for axes, i in zip(right.subplots(4, 8).flat, picked, strict=True):
        axes.imshow(images[i, 0], cmap="gray_r")
        axes.set_title(data.classes[guesses[i]], fontsize=8, color="k" if guesses[i] == labels[i] else "tab:red")
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def main(epochs: int | None, out: Path, chosen: str | None) -> int:
    """Run the demo; exit status 0 if the model has learned its images."""
    fashion = chosen == "fashion" or (chosen is None and FASHION.is_dir())
    data = load_fashion() if fashion else load_digits()
    tg.manual_seed(0)
    model = CNN(data.train[0].shape[-1], len(data.classes))
    print(
        f"{data.name}: {len(data.train[1]):,} images; the model and its gradients live in a server of this demo's own"
    )
    begun = time.monotonic()
    losses = train(model, data, epochs or (1 if fashion else 15), 128 if fashion else 64)
    guesses = predict(model, data.test[0])
    accuracy = float((guesses == data.test[1]).mean())
    out.mkdir(parents=True, exist_ok=True)
    path = out / "demo.png"
    draw(data, losses, guesses, accuracy, path)
    seconds = time.monotonic() - begun
    print(f"test accuracy {accuracy:.1%} after {len(losses):,} steps in {seconds:.1f} s; loss {losses[-1]:.3f}")
    print(f"picture: {path}")
    return 0 if accuracy > (0.8 if fashion else 0.97) else 1
